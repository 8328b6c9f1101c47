package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/wire"
	"sourire/kiosk/uplink"
)

// kiosk is one of the crowd.
type kiosk struct {
	id      feedback.KioskID
	journal *memory
	uplink  *uplink.Uplink

	mu     sync.Mutex
	socket net.Conn // the newest
}

// newKiosk makes kiosk i, whose certificate is in folder.
func (c *crowd) newKiosk(i int, folder string, roots *x509.CertPool) (*kiosk, error) {
	id, err := feedback.ParseKioskID(fmt.Sprintf("%s-%d", c.o.prefix, i+1))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, string(id))
	own, err := tls.LoadX509KeyPair(path+".crt", path+".key")
	if err != nil {
		return nil, err
	}
	asked := feedback.Asked{
		Site: feedback.SiteID(fmt.Sprintf("%s-%d", c.o.prefix, i/100)), Touchpoint: feedback.TouchpointID(fmt.Sprintf("exit-%d", i%100)),
		Survey: "visit", Scale: "smiley3",
	}
	k := &kiosk{id: id}
	k.journal = newMemory(asked, time.Now(), c.waits.add)
	session := atomic.Int64{}
	session.Store(time.Now().UnixMilli())
	k.uplink = uplink.New(uplink.Options{
		Kiosk: id,
		Link: link.Options{
			Address: c.o.hub, Username: string(id),
			TLS: &tls.Config{ // as kiosk/app makes it
				RootCAs: roots, Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12,
				ClientSessionCache: tls.NewLRUClientSessionCache(1),
			},
		},
		Journal: k.journal, Changed: k.journal.changed,
		Session: func(context.Context) (int64, error) { return session.Add(1), nil },
		Birth:   func(context.Context) wire.State { return wire.State{Version: "crowd", Boot: 1} },
		Health: func(context.Context) wire.Health {
			e := k.journal.Epochs()[0]
			return wire.Health{Epoch: e.ID, Next: e.Next, Queue: int64(e.Next - 1 - e.Acked)}
		},
		Dial: func(ctx context.Context, o link.Options) (uplink.Conn, error) { return c.dial(ctx, k, o) },
		Log:  slog.New(slog.DiscardHandler),
	})
	return k, nil
}

// dial counts, and keeps the socket so that it can be cut.
func (c *crowd) dial(ctx context.Context, k *kiosk, o link.Options) (uplink.Conn, error) {
	o.Dialer = func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			k.mu.Lock()
			k.socket = conn
			k.mu.Unlock()
		}
		return conn, err
	}
	conn, err := uplink.Dial(ctx, o)
	switch {
	case err == nil:
		c.dialled.Add(1)
	case ctx.Err() == nil:
		c.failed.add(err)
	}
	return conn, err
}

// cut closes the kiosk's socket without a word.
func (k *kiosk) cut() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.socket == nil {
		return fmt.Errorf("%s was never connected", k.id)
	}
	if tcp, ok := k.socket.(*net.TCPConn); ok { // no TIME_WAIT: the ports are few
		if err := tcp.SetLinger(0); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
	}
	_ = k.socket.Close() // that is the point of it
	return nil
}
