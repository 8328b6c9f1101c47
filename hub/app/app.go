// Package app composes a hub: store, broker, ingest, fleet, link and pages.
//
// It stands over the line and knows every part of it; no part knows this
// package. A hub is a value: [New] acquires and rolls back, [App.Run] blocks,
// two of them live in one test. Parts stop in the reverse order of their start:
// first the pages, then the link, so that nothing new comes in; then ingest,
// which finishes the group it has begun; then retention, between two of its small
// transactions; then the pulse, the lease on the place
// of the hub that ingests, the broker, and last the store, after its users.
//
// Several hubs may live on one database and one external broker. One of them
// ingests, for a reign: it holds the store's lease, writes under a term of its
// own, and alone is on the broker. The others serve pages, hear the news of its
// commits and wait for its place (election.go); they have it within ten seconds
// after it dies or hangs. A hub with a broker of its own serves alone.
//
// In the data folder, which has one owner at a time:
//
//	hub.db      the store
//	kiosk-key   what kiosks show to the embedded broker
//	last-term   under which id and term of the store this hub spoke last
//	restore     what is left to do of a restore that was interrupted
//	broker      folder of the embedded broker, a cache
//
// A crash costs nothing that was answered. Putting back an older hub.db costs
// nothing either as long as the kiosks still hold what it lacks: last-term shows
// it, the store gets a new id, and the kiosks ask and send again. Only a folder
// that was put back as a whole, last-term included, cannot be told from one that
// was never away; then kiosks ask when they connect or speak next.
package app

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sourire/hub/broker"
	"sourire/hub/ingest"
	"sourire/hub/insight"
	"sourire/hub/live"
	"sourire/hub/site"
	"sourire/hub/store/sqlstore"
	"sourire/hub/web"
	"sourire/internal/durable"
	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/run"
	"sourire/internal/sqlite"
)

// Options make a hub. Only Settings are needed.
type Options struct {
	Settings Settings
	Log      *slog.Logger     // nil means slog.Default()
	Now      func() time.Time // nil means time.Now

	// The seams at which the failure table injects its faults.

	// WrapStore stands between ingest and its store.
	WrapStore func(ingest.Store) ingest.Store
	// Dial opens the hub's own connection; nil means link.Dial.
	Dial func(context.Context, link.Options) (*link.Conn, error)
}

// App is a hub that holds its folder, its store and its ports.
type App struct {
	o      Options
	group  *run.Group
	folder *durable.Folder
	store  *sqlstore.Store
	broker *broker.Broker // nil with an external broker
	key    string         // of the kiosks
	own    string         // the hub's password at its own broker
	tls    *encryption    // nil: the broker speaks in the clear
	board  *live.Board
	web    net.Listener
	role   role
	// damaged takes the first error that says that the store is.
	damaged chan error
}

// FileName is the store's file in the data folder, unless the store is on
// PostgreSQL.
const FileName = "hub.db"

// OpenStore opens the store that the settings name: a database on PostgreSQL, or
// the file in the data folder, which the caller has locked or only reads.
func OpenStore(ctx context.Context, s Settings, o sqlstore.Options) (*sqlstore.Store, error) {
	if err := notRestoring(s.Data); err != nil {
		return nil, err
	}
	if s.Store.Postgres != "" {
		return sqlstore.Dial(ctx, s.Store.Postgres, o)
	}
	path := filepath.Join(s.Data, FileName)
	if o.MustExist {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no hub in the folder %s: name its data folder with --data, or its database with --store.postgres", s.Data)
		}
	}
	return sqlstore.Open(ctx, path)
}

// stopTimeout bounds the end of each part; that of ingest has four of its own,
// which take a moment each unless the network hangs.
const stopTimeout = 15 * time.Second

// New opens the data folder, takes over the store, and starts the broker and
// every part; pages are served from now on. On an error nothing is left behind.
// ctx bounds New, and when it is done the hub begins to stop.
func New(ctx context.Context, o Options) (*App, error) {
	if err := o.Settings.Check(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dial == nil {
		o.Dial = link.Dial
	}
	a := &App{o: o, damaged: make(chan error, 1), group: run.NewGroup(ctx, run.Options{Log: o.Log, StopTimeout: stopTimeout})}
	if err := a.start(ctx); err != nil {
		return nil, errors.Join(err, a.group.Stop())
	}
	return a, nil
}

// Run blocks until the context of New is done or a part fails, then stops
// everything in order.
func (a *App) Run() error { return a.group.Wait() }

// Stop stops everything in order.
func (a *App) Stop() error { return a.group.Stop() }

// WebAddr returns where the pages are.
func (a *App) WebAddr() string { return a.web.Addr().String() }

// BrokerAddr returns where the kiosks connect.
func (a *App) BrokerAddr() string {
	if a.broker == nil {
		return a.o.Settings.Broker.Address
	}
	if a.tls != nil {
		return "mqtts://" + a.broker.Addr()
	}
	return "mqtt://" + a.broker.Addr()
}

// Key returns what kiosks show to the embedded broker, "" where they show
// certificates.
func (a *App) Key() string { return a.key }

// Stats counts what this hub took in.
func (a *App) Stats() ingest.Stats { return a.role.stats() }

func (a *App) start(ctx context.Context) error {
	var err error
	s := a.o.Settings
	if a.folder, err = durable.Open(s.Data); err != nil {
		return err
	}
	a.group.Closer("data folder", a.folder.Close)
	// The port comes before everything that would have to be stopped again: a
	// broker that is stopped in its first moments leaves goroutines behind
	// (nats-server v2.15.2, a stream that is just being made).
	if a.web, err = net.Listen("tcp", s.Web.Listen); err != nil {
		return fmt.Errorf("the pages cannot be served at %s: %w; %s", s.Web.Listen, err, adviceOnListen(err))
	}
	a.group.Closer("web port", func() error { _ = a.web.Close(); return nil }) // the server closes it first
	if err := a.openStore(ctx); err != nil {
		return err
	}
	a.board = live.New(0)
	var lease *sqlstore.Lease
	if s.Broker.Address == "" || !a.contested() {
		if lease, err = a.first(ctx); err != nil {
			return err
		}
	}
	if err := a.startBroker(); err != nil {
		if lease != nil {
			lease.Release()
		}
		return err
	}
	if err := a.startIngest(ctx, lease); err != nil {
		return err
	}
	return a.startWeb(ctx)
}

// openStore opens the store, and refuses one that is damaged, or that is new in a
// folder which has served before: kiosks keep what they have told only for a
// while, so a hub that begins anew in silence loses the rest.
func (a *App) openStore(ctx context.Context) error {
	last, err := os.ReadFile(a.folder.Path(lastTermName))
	served := err == nil
	if err := notRestoring(a.o.Settings.Data); err != nil {
		return err // before the sentence about what is not there
	}
	path := a.folder.Path(FileName)
	if served && a.o.Settings.Store.Postgres == "" {
		info, err := os.Stat(path)
		if missing := errors.Is(err, fs.ErrNotExist); missing || err == nil && info.Size() == 0 {
			return fmt.Errorf("the database %s is empty or gone, and this folder has served one (%s): put it back from a backup, or remove %s to begin anew",
				path, strings.TrimSpace(string(last)), a.folder.Path(lastTermName))
		}
	}
	a.store, err = OpenStore(ctx, a.o.Settings, sqlstore.Options{MustExist: served})
	if errors.Is(err, sqlstore.ErrUnused) {
		return fmt.Errorf("%w; this folder has served one (%s): put it back from a backup, or remove %s to begin anew",
			err, strings.TrimSpace(string(last)), a.folder.Path(lastTermName))
	} else if err != nil {
		return err
	}
	a.group.Closer("store", a.store.Close)
	began := time.Now()
	if err := a.store.QuickCheck(ctx); err != nil {
		return err
	}
	if took := time.Since(began); took > time.Second {
		a.o.Log.Info("the database was checked", "took", took.Round(time.Millisecond))
	}
	return nil
}

// adviceOnListen says what to do when the pages cannot be served where they should.
func adviceOnListen(err error) string {
	switch _, unknown := errors.AsType[*net.DNSError](err); {
	case errors.Is(err, syscall.EADDRINUSE):
		return "stop the program that listens there, or change [web] listen"
	case errors.Is(err, fs.ErrPermission):
		return "this user may not, so write a port above 1023 into [web] listen"
	case errors.Is(err, syscall.EADDRNOTAVAIL), unknown:
		return "that is no address of this machine, so write one that is into [web] listen, or none for every interface"
	}
	return "change [web] listen"
}

func (a *App) startBroker() error {
	var err error
	s := a.o.Settings
	if s.Broker.Address != "" {
		if err := link.CheckAddress(s.Broker.Address); err != nil {
			return fmt.Errorf("setting broker.address: %w", err)
		}
		return nil
	}
	if a.tls, err = newEncryption(s); err != nil {
		return err
	}
	if a.key, err = a.kioskKey(); err != nil {
		return err
	}
	secret := make([]byte, 16)
	_, _ = rand.Read(secret) // never fails
	a.own = hex.EncodeToString(secret)
	o := broker.Options{Addr: s.Broker.Listen, Dir: a.folder.Path("broker"), Log: a.o.Log, Authorize: a.authorize}
	if a.tls != nil {
		o.TLS = a.tls.broker
	}
	a.broker, err = broker.Start(o)
	if err != nil {
		return fmt.Errorf("%w; see broker.listen and data in the settings", err)
	}
	a.group.Closer("broker", a.broker.Close)
	return nil
}

// hubUser is the hub's user name at its own broker; no kiosk's id holds _.
const hubUser = "hub_"

func (a *App) authorize(who broker.Login) (broker.Role, bool) {
	same := func(x, y string) bool { return subtle.ConstantTimeCompare([]byte(x), []byte(y)) == 1 }
	if who.Username == hubUser {
		return broker.Hub(), same(who.Password, a.own)
	}
	_, err := feedback.ParseKioskID(who.Username)
	known := same(who.Password, a.key)
	if a.o.Settings.Broker.ClientCAFile != "" {
		known = who.Certificate == who.Username
	}
	return broker.Kiosk(who.Username), known && err == nil
}

// startIngest begins the first reign. A hub that shares its store and its broker
// with others begins by waiting for it, and serves pages meanwhile.
func (a *App) startIngest(ctx context.Context, lease *sqlstore.Lease) error {
	var r *reign
	if lease != nil {
		var err error
		if r, err = a.begin(ctx, lease); err != nil {
			lease.Release()
			return err
		}
		a.role.enter(r)
	}
	a.group.Start("store's health", func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-a.damaged:
			return fmt.Errorf("the database %s is damaged: set it aside and put a backup in its place; kiosks keep their presses: %w",
				a.folder.Path(FileName), err)
		}
	})
	a.group.Start("news", a.news)
	a.group.Start("ingest", func(ctx context.Context) error { return a.ingests(ctx, r) })
	return nil
}

// committed looks for damage, which ends the hub: nothing can be stored any more,
// and whoever looks after it must know.
func (a *App) committed(_ []ingest.Batch, outcomes []ingest.Outcome) {
	for _, o := range outcomes {
		if sqlite.IsDamaged(o.Err) {
			select {
			case a.damaged <- o.Err:
			default:
			}
		}
	}
}

func (a *App) startWeb(ctx context.Context) error {
	s := a.o.Settings
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return err // Check has seen to that
	}
	read := insight.New(a.store, insight.Options{Zone: zone, Now: a.o.Now})
	if err := a.configure(ctx, read); err != nil {
		return err
	}
	pages, err := web.New(web.Options{Insight: read, Live: a.board, Writes: a.role.refuses, Role: a.role.String, Log: a.o.Log})
	if err != nil {
		return err
	}
	a.group.Start("web", func(ctx context.Context) error { return serve(ctx, a.web, pages.Handler()) })
	// Open pages hold their requests for hours: end them before the server.
	a.group.Closer("live pages", func() error { a.board.Close(); return nil })
	return nil
}

// configure puts the sites of the settings into the store.
func (a *App) configure(ctx context.Context, read *insight.Insight) error {
	sites := make([]site.Site, 0, len(a.o.Settings.Sites))
	for _, c := range a.o.Settings.Sites {
		name, zone := c.Name, c.Zone
		if name == "" {
			name = c.ID
		}
		if zone == "" {
			zone = a.o.Settings.Zone
		}
		x, err := site.New(feedback.SiteID(c.ID), name, zone)
		if err != nil {
			return err
		}
		sites = append(sites, x)
	}
	return read.Configure(ctx, sites)
}

// serve serves until ctx is done, then lets requests end for two seconds.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if srv.Shutdown(end) != nil {
			_ = srv.Close()
		}
		<-done //nolint:errcheck // it was told to
		return nil
	}
}
