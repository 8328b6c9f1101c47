package link_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"sourire/internal/link"
)

// A broker that resets each connection is told of once, though each comes from
// another port of this side.
func TestOutage(t *testing.T) {
	address := server(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1)) // what is left unread makes the end a reset
		_ = c.(*net.TCPConn).SetLinger(0)
	})
	var o link.Outage
	if o.Over() {
		t.Error("got an end, want none without a beginning")
	}
	news := 0
	for range 5 {
		_, err := link.Dial(context20(t), link.Options{Address: address, ConnectTimeout: time.Second})
		if err == nil {
			t.Fatal("got a connection, want none")
		}
		if o.News(err) {
			news++
			t.Log(err)
		}
	}
	if news != 1 {
		t.Errorf("got %d news, want one", news)
	}
	if !o.Over() || o.Over() {
		t.Error("got no end or two, want one")
	}
	for i := range 100 {
		if o.News(fmt.Errorf("reason %d", i)) {
			news++
		}
	}
	if news > 30 {
		t.Errorf("got %d news, want few", news)
	}
}
