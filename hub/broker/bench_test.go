package broker_test

import (
	"log/slog"
	"strings"
	"testing"

	"sourire/hub/broker"
	"sourire/internal/link"
)

// BenchmarkBroker_roundTrip is one journal message of one record to the hub and
// its answer back, one after the other.
func BenchmarkBroker_roundTrip(b *testing.B) {
	br, err := broker.Start(broker.Options{
		Addr: "127.0.0.1:0", Dir: b.TempDir(), Authorize: authorize, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer br.Close()
	open := func(name, filter string, handle func(link.Message)) *link.Conn {
		o := options(br, name)
		o.Subscriptions, o.Handler = []string{filter}, handle
		c, err := link.Dial(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	asked := make(chan string, 1)
	answered := make(chan struct{}, 1)
	hub := open("hub", "sourire/1/+/journal", func(m link.Message) { asked <- m.Topic })
	defer hub.Close()
	kiosk := open("k1", "sourire/1/k1/ack", func(link.Message) { answered <- struct{}{} })
	defer kiosk.Close()
	payload := make([]byte, 200)
	for b.Loop() {
		if err := kiosk.Publish(b.Context(), link.Message{Topic: "sourire/1/k1/journal", Payload: payload, QoS: 1}); err != nil {
			b.Fatal(err)
		}
		topic := strings.Replace(<-asked, "/journal", "/ack", 1)
		if err := hub.Publish(b.Context(), link.Message{Topic: topic, Payload: payload}); err != nil {
			b.Fatal(err)
		}
		<-answered
	}
}

// BenchmarkBroker_fullBatches is 64 KiB to the hub, many on their way at once.
func BenchmarkBroker_fullBatches(b *testing.B) {
	br, err := broker.Start(broker.Options{
		Addr: "127.0.0.1:0", Dir: b.TempDir(), Authorize: authorize, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer br.Close()
	arrived := make(chan struct{}, 1<<16)
	o := options(br, "hub")
	o.Subscriptions, o.Handler = []string{"sourire/1/+/journal"}, func(link.Message) { arrived <- struct{}{} }
	hub, err := link.Dial(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer hub.Close()
	kiosk, err := link.Dial(b.Context(), options(br, "k1"))
	if err != nil {
		b.Fatal(err)
	}
	defer kiosk.Close()
	payload := make([]byte, 64<<10)
	b.SetBytes(int64(len(payload)))
	sent := 0
	for b.Loop() {
		if err := kiosk.Publish(b.Context(), link.Message{Topic: "sourire/1/k1/journal", Payload: payload}); err != nil {
			b.Fatal(err)
		}
		if sent++; sent > 64 {
			<-arrived
		}
	}
	for range min(sent, 64) {
		<-arrived
	}
}
