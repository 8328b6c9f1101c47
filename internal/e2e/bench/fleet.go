package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// kiosk is a journal that is made up as it is sent, and its connection.
type kiosk struct {
	id     feedback.KioskID
	client *client
	next   feedback.Seq
	hash   feedback.Hash // before next
	number int64         // of the last request
	ready  []request
}

// request is a packet that is ready to be sent.
type request struct {
	frame []byte
	last  feedback.Seq
}

// epoch is that of every journal here.
const epoch = feedback.Epoch(7)

// fleet is a number of kiosks that send batches of one size.
type fleet struct{ kiosks []*kiosk }

// dialFleet connects n kiosks and has each send the records that come before
// the first press.
func dialFleet(address, name string, n int) (*fleet, error) {
	f := &fleet{}
	for i := range n {
		id := feedback.KioskID(fmt.Sprintf("%s-%d", name, i))
		c, err := dial(address, id)
		if err != nil {
			f.close()
			return nil, err
		}
		k := &kiosk{id: id, client: c, next: 1}
		f.kiosks = append(f.kiosks, k)
		asked := feedback.Asked{
			Site: feedback.SiteID(fmt.Sprintf("%s-%d", name, i/10)), Touchpoint: feedback.TouchpointID(fmt.Sprintf("exit-%d", i%10)),
			Survey: "visit", Scale: "smiley3",
		}
		err = k.batch([]feedback.Fact{
			feedback.EpochBegan{Why: "new"},
			feedback.BootBegan{Version: "bench", Down: -1},
			feedback.ClockFix{Boot: 1, Offset: 1_790_000_000_000, Uncertainty: 10, Source: "system"},
			feedback.PlanApplied{Plan: feedback.NewPlanID([]byte(id)), Asked: asked},
		})
		if err != nil {
			f.close()
			return nil, err
		}
	}
	_, err := f.drain()
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *fleet) close() {
	for _, k := range f.kiosks {
		k.client.close()
	}
}

// batch makes a request of records that say these facts, each 3 s after the
// one before.
func (k *kiosk) batch(facts []feedback.Fact) error {
	b := wire.Batch{Re: wire.Re{Nonce: "6f1c0a9be2d54478"}, Epoch: epoch, First: k.next, Before: k.hash, Oldest: 1}
	for _, f := range facts {
		body := wire.AppendRecord(nil, feedback.Record{Stamp: feedback.Stamp{Boot: 1, Since: 3000 * int64(k.next)}, Fact: f})
		b.Records = append(b.Records, json.RawMessage(body))
		k.hash = k.hash.Next(body)
		k.next++
	}
	k.number++
	b.Re.Number, b.Next = k.number, k.next
	payload, err := wire.EncodeBatch(b)
	if err != nil {
		return err
	}
	k.ready = append(k.ready, request{frame: k.client.frame(payload), last: k.next - 1})
	return nil
}

// awaitHub returns when the hub hears its broker: a kiosk asks until it is
// answered.
func awaitHub(address string) error {
	var err error
	for began := time.Now(); time.Since(began) < patience; {
		k := &kiosk{id: "first", next: 1}
		if k.client, err = dial(address, k.id); err != nil {
			return err
		}
		if err = k.batch(nil); err == nil {
			_, err = k.client.send(k.ready[0].frame, time.Second)
		}
		k.client.close()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("the hub does not answer: %w", err)
}

// press makes batches of so many presses, this many for each kiosk.
func (f *fleet) press(batches, presses int) error {
	facts := make([]feedback.Fact, presses)
	for range batches {
		for _, k := range f.kiosks {
			for i := range facts {
				facts[i] = feedback.Press{Rating: int(k.next+feedback.Seq(i)) % 3, Held: 80}
			}
			if err := k.batch(facts); err != nil {
				return err
			}
		}
	}
	return nil
}

// drain has all kiosks send what is ready at once, each its next request when
// the last is answered, and returns how long it took.
func (f *fleet) drain() (time.Duration, error) {
	return f.each(func(k *kiosk, _ int) error {
		for len(k.ready) > 0 {
			if err := k.sendOne(); err != nil {
				return err
			}
		}
		return nil
	})
}

// stroll has each kiosk send one request every interval, and adds to into how
// long each waited for its answer.
func (f *fleet) stroll(interval time.Duration, into chan<- time.Duration) error {
	_, err := f.each(func(k *kiosk, i int) error {
		// They do not press in step.
		wait := interval * time.Duration(i) / time.Duration(len(f.kiosks))
		for len(k.ready) > 0 {
			<-time.After(wait)
			began := time.Now()
			if err := k.sendOne(); err != nil {
				return err
			}
			into <- time.Since(began)
			wait = interval - time.Since(began)
		}
		return nil
	})
	return err
}

// each runs do for all kiosks at once and waits for all.
func (f *fleet) each(do func(*kiosk, int) error) (time.Duration, error) {
	began := time.Now()
	results := make(chan error, len(f.kiosks))
	for i, k := range f.kiosks {
		go func() { results <- do(k, i) }()
	}
	var errs []error
	for range f.kiosks {
		errs = append(errs, <-results)
	}
	return time.Since(began), errors.Join(errs...)
}

// sendOne sends the next request and demands that all of it is stored.
func (k *kiosk) sendOne() error {
	r := k.ready[0]
	k.ready = k.ready[1:]
	ack, err := k.client.send(r.frame, patience)
	if err != nil {
		return fmt.Errorf("%s: %w", k.id, err)
	}
	if ack.Refused != "" || ack.Through != r.last {
		return fmt.Errorf("%s: stored through %d, want %d %s %s", k.id, ack.Through, r.last, ack.Refused, ack.Why)
	}
	return nil
}
