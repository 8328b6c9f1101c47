package broker

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"sourire/internal/link"
)

// The client id stands where the door looks for it first; asking the server is
// right too, and slow.
func TestDoor_clientID(t *testing.T) {
	b, err := Start(Options{
		Addr: "127.0.0.1:0", Dir: t.TempDir(),
		Authorize: func(l Login) (Role, bool) { return Kiosk(l.Username), true },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := link.Dial(ctx, link.Options{Address: "mqtt://" + b.Addr(), ClientID: "k1", Username: "k1"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	all, err := b.server.Connz(&server.ConnzOptions{})
	if err != nil || len(all.Conns) != 1 {
		t.Fatalf("got %+v, %v, want one connection", all, err)
	}
	cid := all.Conns[0].Cid
	if id, ok := fieldID(b.server.GetClient(cid)); id != "k1" || !ok {
		t.Errorf("in the server's field: got %q, %v, want k1: has the field another name now?", id, ok)
	}
	if id := b.door.askedID(cid); id != "k1" {
		t.Errorf("asked for: got %q, want k1", id)
	}
	if id, ok := fieldID(nobody{}); ok {
		t.Errorf("of something else: got %q, want none", id)
	}
}

// nobody is a client of a server that keeps no field for the id.
type nobody struct{ server.ClientAuthentication }
