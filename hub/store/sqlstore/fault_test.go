package sqlstore_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/postgrestest"
	"sourire/internal/wire"
)

// What a proxy does with the next commit.
type fault int

const (
	noFault   fault = iota
	cutBefore       // the server never hears of it
	cutAfter        // the server commits, and nobody hears of that
	hang            // the connection stays, and nothing passes any more
)

// proxy stands between a store and its server and speaks PostgreSQL's messages:
// a byte of kind, a length, a body.
type proxy struct {
	server string // socket
	dir    string
	l      net.Listener
	wg     sync.WaitGroup
	once   sync.Once
	end    chan struct{} // closed when the test is over

	mu    sync.Mutex
	fault fault
	hung  chan struct{} // closed when a connection hangs
}

func startProxy(t *testing.T, server *postgrestest.Server) *proxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "sourire-proxy-") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{server: server.Socket(), dir: dir, end: make(chan struct{}), hung: make(chan struct{})}
	if p.l, err = net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432")); err != nil {
		t.Fatal(err)
	}
	p.wg.Go(func() {
		for {
			c, err := p.l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(p.stop)
	return p
}

// stop cuts every connection. Stopping twice is fine.
func (p *proxy) stop() {
	p.once.Do(func() {
		close(p.end)
		p.l.Close()
	})
	p.wg.Wait()
	os.RemoveAll(p.dir)
}

// address returns the address of a database by way of the proxy.
func (p *proxy) address(t *testing.T, direct string) string {
	t.Helper()
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery = url.Values{"host": {p.dir}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

func (p *proxy) arm(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

func (p *proxy) take() fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fault
	p.fault = noFault
	return f
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	served := make(chan struct{})
	defer close(served)
	p.wg.Go(func() {
		select {
		case <-p.end:
			client.Close()
			server.Close()
		case <-served:
		}
	})
	var mu sync.Mutex
	silent, over := false, make(chan struct{}) // nothing passes to the client; the server has answered the commit
	p.wg.Go(func() {
		defer client.Close()
		answered := false
		for {
			m, err := message(server, true)
			if err != nil {
				return
			}
			mu.Lock()
			if silent {
				if m[0] == 'Z' && !answered { // ready for the next query
					answered = true
					close(over)
				}
			} else if _, err := client.Write(m); err != nil {
				mu.Unlock()
				return
			}
			mu.Unlock()
		}
	})
	first := true
	for {
		m, err := message(client, !first)
		if err != nil {
			return
		}
		first = false
		f := noFault
		if m[0] == 'Q' && string(m[5:]) == "commit\x00" {
			f = p.take()
		}
		switch f {
		case cutBefore:
			return
		case hang:
			close(p.hung)
			<-p.end
			return
		case cutAfter:
			mu.Lock()
			silent = true
			mu.Unlock()
			server.Write(m)
			<-over
			return
		}
		if _, err := server.Write(m); err != nil {
			return
		}
	}
}

// message reads a message; the first of a client has no kind.
func message(r io.Reader, kind bool) ([]byte, error) {
	head := make([]byte, 4, 5)
	if kind {
		head = head[:5]
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	m := make([]byte, len(head)-4+int(binary.BigEndian.Uint32(head[len(head)-4:])))
	copy(m, head)
	_, err := io.ReadFull(r, m[len(head):])
	return m, err
}

// batchOf is the first batch of a kiosk: some presses.
func batchOf(kiosk feedback.KioskID, at time.Time, presses int) ingest.Batch {
	b := ingest.Batch{Kiosk: kiosk, Batch: wire.Batch{V: wire.Version, Re: wire.Re{Nonce: "n", Number: 1}, Epoch: 1, First: 1, Oldest: 1}}
	facts := []feedback.Fact{
		feedback.EpochBegan{Why: "new"},
		feedback.ClockFix{Boot: 1, Offset: at.UnixMilli(), Uncertainty: 5, Source: "system"},
		feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"}},
	}
	for range presses {
		facts = append(facts, feedback.Press{Rating: 2, Held: 80})
	}
	for i, f := range facts {
		b.Records = append(b.Records, wire.AppendRecord(nil, feedback.Record{Stamp: feedback.Stamp{Boot: 1, Since: int64(3000 * i)}, Fact: f}))
	}
	b.Next = feedback.Seq(len(facts) + 1)
	return b
}

// A commit that was cut off is an error, whether the server made it or not; what
// is sent again counts once.
func TestPostgres_commitCut(t *testing.T) {
	server := postgrestest.Start(t)
	for name, f := range map[string]fault{"before": cutBefore, "after": cutAfter} {
		t.Run(name, func(t *testing.T) {
			p := startProxy(t, server)
			s := dial(t, p.address(t, server.Database()))
			term, err := s.TakeOver(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			now := func() time.Time { return time.Date(2026, 3, 31, 23, 59, 0, 0, time.UTC) }
			g := ingest.New(s, ingest.Options{StoreID: "s", Term: term, Now: now})
			batch := batchOf("k", now(), 10)
			p.arm(f)
			if o := g.Ingest(t.Context(), []ingest.Batch{batch})[0]; o.Err == nil {
				t.Errorf("got %+v, want no answer to a commit that was cut off", o)
			}
			if o := g.Ingest(t.Context(), []ingest.Batch{batch})[0]; o.Err != nil || o.Ack.Through != 13 || (o.Stored == 0) != (f == cutAfter) {
				t.Errorf("got %+v, want the records stored, now or before", o)
			}
			if r, err := verify.Run(t.Context(), s, "", nil); err != nil || !r.OK() || len(r.Findings) != 1 || r.Findings[0].Presses != 10 {
				t.Errorf("got %+v, %v, want 10 presses", r, err)
			}
		})
	}
}

// A standby takes over that lacks the last commits, under the running hub: the
// next batch of a kiosk finds that out, and nothing that the hub remembers of the
// old server mixes with what the new one has.
func TestPostgres_standbyBehind(t *testing.T) {
	server := postgrestest.Start(t)
	address := server.Database()
	admin := server.URL("sourire", "", "postgres")
	s := dial(t, address)
	term, err := s.TakeOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 31, 23, 59, 0, 0, time.UTC)
	g := ingest.New(s, ingest.Options{StoreID: "s", Term: term, Now: func() time.Time { return now }})
	through := func(want feedback.Seq, b ingest.Batch) {
		t.Helper()
		var o ingest.Outcome
		for range 4 { // connections that are cut, marks that have moved
			if o = g.Ingest(t.Context(), []ingest.Batch{b})[0]; o.Err == nil {
				break
			}
		}
		if o.Err != nil || o.Ack.Refused != "" || o.Ack.Through != want {
			t.Errorf("got %+v, want through %d", o, want)
		}
	}
	one, two, three := &press{id: "k1", epoch: 1}, &press{id: "k2", epoch: 1}, &press{id: "k3", epoch: 1}
	through(10, one.batch(now, 10))
	behind := server.Dump(address)
	second, first := one.batch(now, 10), two.batch(now, 10)
	through(20, second)
	through(10, first)

	name := address[strings.LastIndex(address, "/")+1 : strings.Index(address, "?")]
	server.Exec(admin, "DROP DATABASE "+name+" WITH (FORCE)")
	server.Exec(admin, "CREATE DATABASE "+name)
	server.Exec(address, behind)
	through(10, three.batch(now, 10)) // its site gets the number that the second's had
	third := one.batch(now, 10)
	through(10, third) // a hole: "I have 10"
	through(20, second)
	through(30, third)
	next := two.batch(now, 10)
	through(0, next)
	through(10, first)
	through(20, next)
	if r, err := verify.Run(t.Context(), s, "", nil); err != nil || !r.OK() || len(r.Findings) != 3 {
		t.Errorf("got %+v, %v", r, err)
	}
}

// A hub that hangs in a transaction holds the term for some seconds only, and its
// transaction is gone.
func TestPostgres_hungHub(t *testing.T) {
	server := postgrestest.Start(t)
	direct := server.Database()
	p := startProxy(t, server)
	hung, other := dialed(t, p.address(t, direct)), dial(t, direct)
	ended := make(chan error, 1)
	p.arm(hang)
	go func() {
		_, err := hung.TakeOver(t.Context())
		ended <- err
	}()
	<-p.hung
	began := time.Now()
	term, err := other.TakeOver(t.Context())
	if took := time.Since(began); err != nil || term != 1 || took > 10*time.Second {
		t.Errorf("got term %d, %v after %v, want 1 within 10 s", term, err, took)
	}
	p.stop()
	if err := <-ended; err == nil {
		t.Error("the hub that hung has taken over too")
	}
	_ = hung.Close() // its connections are cut
}
