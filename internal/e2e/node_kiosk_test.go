package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/wire"
	"sourire/kiosk/clock"
	"sourire/kiosk/journal"
	"sourire/kiosk/uplink"
)

const journalFile = "journal.db"

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
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return err
	}
	c := &deviceClock{boot: fmt.Sprint("boot-", time.Now().UnixNano()), now: s.Now}
	j, err := journal.Open(ctx, journal.Options{Path: filepath.Join(s.Data, journalFile), Kiosk: s.Kiosk, Version: "table", Clock: c})
	if err != nil {
		return err
	}
	if _, ok, err := j.Plan(ctx); err != nil {
		return err
	} else if !ok {
		if _, err := j.Append(ctx, feedback.PlanApplied{
			Plan: feedback.NewPlanID(nil), Asked: feedback.Asked{Site: "store-1", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"},
		}); err != nil {
			return err
		}
	}
	f := &faultyJournal{Journal: j, book: s.Data + ".book", clock: c}
	u := uplink.New(uplink.Options{
		Kiosk: s.Kiosk, Link: link.Options{Address: s.Link, Username: string(s.Kiosk), Password: "key"},
		Journal: j, Changed: j.Changed(), Session: j.NextSession, HubTime: j.HubTime, Times: tableTimes(),
		Birth: func(context.Context) wire.State {
			h := j.Head()
			return wire.State{Version: "table", Epoch: h.ID, Oldest: h.Oldest, Next: h.Next}
		},
		Log:  slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Dial: tableDial(s.Defect, j),
	})
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	say(reply{})
	for o := range orders {
		r := reply{}
		switch o.Do {
		case "press":
			c.set(o.Since)
			if err := f.press(ctx); err != nil {
				r.Err = err.Error()
			}
		case "arm":
			f.fault = o.Fault
		case "status":
			for _, e := range j.Epochs() {
				r.Epochs = append(r.Epochs, epochStatus{ID: e.ID, Next: e.Next, Acked: e.Acked})
				r.Settled = u.Status().Settled && e.Acked == e.Next-1
			}
		case "stop":
			cancel()
			err := <-ended
			if e := j.Close(); err == nil {
				err = e
			}
			say(reply{})
			return err
		}
		r.Hits = f.hits
		say(r)
	}
	return nil
}

// faultyJournal injects faults at the append, and keeps the book of what was
// really appended.
type faultyJournal struct {
	*journal.Journal
	book  string
	clock *deviceClock
	fault fault
	hits  int
}

func (f *faultyJournal) press(ctx context.Context) error {
	_, err := f.Append(ctx, feedback.Press{Rating: 2, Held: 80})
	return err
}

// Append appends, or not, as the fault says.
func (f *faultyJournal) Append(ctx context.Context, facts ...feedback.Fact) ([]journal.Entry, error) {
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
	entries, err := f.Journal.Append(ctx, facts...)
	f.write(entries)
	if x.On && x.Mode == repeated {
		f.clock.step() // so that the two can be told apart
		again, _ := f.Journal.Append(ctx, facts...)
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
func tableDial(defect string, j *journal.Journal) func(context.Context, link.Options) (uplink.Conn, error) {
	return func(ctx context.Context, o link.Options) (uplink.Conn, error) {
		conn, err := link.Dial(ctx, o)
		if err != nil {
			return nil, err
		}
		if defect != markByPuback {
			return conn, nil
		}
		return pubackConn{conn, j}, nil
	}
}

type pubackConn struct {
	*link.Conn
	journal *journal.Journal
}

// Publish moves the mark with the PUBACK.
func (c pubackConn) Publish(ctx context.Context, m link.Message) error {
	err := c.Conn.Publish(ctx, m)
	if err == nil && strings.HasSuffix(m.Topic, "/"+wire.TopicJournal) {
		if b, e := wire.DecodeBatch(m.Payload); e == nil && len(b.Records) > 0 {
			_ = c.journal.Ack(b.Epoch, b.Last())
		}
	}
	return err
}
