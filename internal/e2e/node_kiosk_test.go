package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/wire"
	"sourire/kiosk/app"
	"sourire/kiosk/clock"
	"sourire/kiosk/journal"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

const journalFile = app.JournalFile

// deviceClock is the device time of the table: it moves with each press only.
type deviceClock struct {
	mu   sync.Mutex
	boot string
	now  int64
}

// Now implements journal.Clock.
func (c *deviceClock) Now() clock.Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	return clock.Reading{
		BootID: c.boot, Since: time.Duration(c.now) * time.Millisecond,
		Wall: time.UnixMilli(1_790_000_000_000 + c.now), Trusted: true,
	}
}

func (c *deviceClock) set(ms int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = ms
}

// at is the device time as the journal takes it.
func (c *deviceClock) at() journal.At { return journal.At{Since: c.Now().Since} }

func (c *deviceClock) step() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now++
}

func tableTimes() uplink.Times {
	return uplink.Times{
		Answer: answerTimeout, AnswerMax: time.Second, Redial: 20 * time.Millisecond, RedialMax: 200 * time.Millisecond,
		Announce: 50 * time.Millisecond, Health: 100 * time.Millisecond,
	}
}

// kioskNode runs a kiosk until it is told to stop.
func kioskNode(s nodeSpec, say func(reply), orders <-chan order) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := &deviceClock{boot: fmt.Sprint("boot-", time.Now().UnixNano()), now: s.Now}
	f := &faultyJournal{book: s.Data + ".book", clock: c}
	var inner uplink.Journal
	k, err := app.New(ctx, app.Options{
		Settings: kioskSettings(s), Version: "table", Clock: c, Times: tableTimes(),
		Log:          slog.New(slog.NewTextHandler(os.Stderr, nil)),
		WrapAppender: func(a app.Appender) app.Appender { f.Appender = a; return f },
		WrapJournal:  func(j uplink.Journal) uplink.Journal { inner = j; return j },
		Dial:         tableDial(s.Defect, func(b wire.Batch) { _ = inner.Ack(b.Epoch, b.Last()) }),
	})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	say(reply{})
	for o := range orders {
		r := reply{}
		switch o.Do {
		case "press":
			c.set(o.Since)
			if _, err := k.Press(ctx, 2); err != nil {
				r.Err = err.Error()
			}
		case "arm":
			f.fault = o.Fault
		case "status":
			st, err := k.Status(ctx)
			if err != nil {
				return err
			}
			r.Settled = st.Link.Settled
			for _, e := range st.Journal.Epochs {
				r.Epochs = append(r.Epochs, epochStatus{ID: e.ID, Next: e.Next, Acked: e.Acked})
				r.Settled = r.Settled && e.Acked == e.Next-1
			}
		case "stop":
			cancel()
			err := <-ended
			say(reply{})
			return err
		}
		r.Hits = f.hits
		say(r)
	}
	return nil
}

// kioskSettings are those of a kiosk of the table.
func kioskSettings(s nodeSpec) settings.Settings {
	set := settings.Defaults()
	set.Data = s.Data
	set.Kiosk.ID = string(s.Kiosk)
	set.Kiosk.Site, set.Kiosk.Touchpoint = "store-1", "exit"
	set.Hub.Address, set.Hub.Key = s.Link, "key"
	return set
}

// faultyJournal injects faults at the append, and keeps the book of what was
// really appended.
type faultyJournal struct {
	app.Appender
	book  string
	clock *deviceClock
	fault fault
	hits  int
}

// AppendAt appends, or not, as the fault says.
func (f *faultyJournal) AppendAt(ctx context.Context, at journal.At, facts ...feedback.Fact) ([]journal.Entry, error) {
	x := f.fault
	if x.On {
		f.fault = fault{}
		f.hits++
	}
	if x.On && x.Mode == late {
		<-time.After(lateBy)
	}
	if x.Kill && (x.Mode == fails || x.Mode == late) {
		die()
	}
	if x.On && x.Mode == fails {
		return nil, errInjected
	}
	entries, err := f.Appender.AppendAt(ctx, at, facts...)
	f.write(entries)
	if x.On && x.Mode == repeated {
		f.clock.step() // so that the two can be told apart
		again, _ := f.Appender.AppendAt(ctx, f.clock.at(), facts...)
		f.write(again)
	}
	if x.Kill {
		die()
	}
	if x.On && x.Mode == reported {
		return nil, errInjected
	}
	return entries, err
}

func (f *faultyJournal) write(entries []journal.Entry) {
	b, err := os.OpenFile(f.book, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer b.Close()
	for _, e := range entries {
		if isPress(e.Body) {
			_, _ = fmt.Fprintf(b, "%s\n", e.Body)
		}
	}
}

// tableDial dials, with the defect that takes a PUBACK for the hub's word.
func tableDial(defect string, stored func(wire.Batch)) func(context.Context, link.Options) (uplink.Conn, error) {
	if defect != markByPuback {
		return nil
	}
	return func(ctx context.Context, o link.Options) (uplink.Conn, error) {
		conn, err := link.Dial(ctx, o)
		if err != nil {
			return nil, err
		}
		return pubackConn{conn, stored}, nil
	}
}

type pubackConn struct {
	*link.Conn
	stored func(wire.Batch)
}

// Publish moves the mark with the PUBACK.
func (c pubackConn) Publish(ctx context.Context, m link.Message) error {
	err := c.Conn.Publish(ctx, m)
	if err == nil && strings.HasSuffix(m.Topic, "/"+wire.TopicJournal) {
		if b, e := wire.DecodeBatch(m.Payload); e == nil && len(b.Records) > 0 {
			c.stored(b)
		}
	}
	return err
}
