package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"sourire/hub/fleet"
	"sourire/hub/ingest"
	"sourire/hub/live"
	"sourire/hub/store/sqlstore"
	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/run"
	"sourire/internal/wire"
)

// Of the hubs on one database one ingests, and the others wait for its place
// while they serve pages. The store's lease elects; what protects the counts is
// the term, which every transaction of ingest checks: a hub that lost its place
// without noticing cannot write. It notices by its lease or by its first refused
// write, hangs up, and waits again.

// electWithin is how long a hub with a broker of its own waits for its place at
// its start: a hub that lost its power holds it for some seconds more.
const electWithin = 8 * time.Second

// reelectAfter is the pause after an election that failed.
const reelectAfter = 500 * time.Millisecond

// reign is the time for which this hub ingests: one lease, one term.
type reign struct {
	lease  *sqlstore.Lease
	since  time.Time
	intake *ingest.Intake
	fleet  *fleet.Fleet
	talk   *conversation
}

// role is what this hub knows of who ingests.
type role struct {
	mu      sync.Mutex
	reign   *reign       // nil while this hub waits
	holder  string       // while it waits: who ingests, "" for nobody known
	trouble error        // why it cannot even wait
	before  ingest.Stats // of reigns that are over
}

// Alone runs do in the place of the hub that ingests, under a term of its own. Its
// error is an OtherHubError when a hub has that place. Should the place be lost,
// what do writes is refused by its term.
func Alone(ctx context.Context, store *sqlstore.Store, name string, do func(term int64) error) error {
	return inPlace(ctx, store, name, func(lease *sqlstore.Lease) error {
		term, err := lease.TakeOver(ctx)
		if err != nil {
			return fmt.Errorf("take over the store: %w", err)
		}
		return do(term)
	})
}

// Reserve runs do, which copies into a store that nobody uses yet, while no hub can
// begin to ingest into it. Its error is an OtherHubError when one does. Should the
// place be lost, the mark of the copy is what keeps hubs and other copies away.
func Reserve(ctx context.Context, store *sqlstore.Store, name string, do func() error) error {
	err := inPlace(ctx, store, name, func(*sqlstore.Lease) error { return do() })
	if _, ok := errors.AsType[OtherHubError](err); ok {
		return fmt.Errorf("%w, and nothing is written where one is at work: stop it, or name an empty database", err)
	}
	return err
}

// inPlace runs do in the place of the hub that ingests.
func inPlace(ctx context.Context, store *sqlstore.Store, name string, do func(*sqlstore.Lease) error) error {
	lease, err := elect(ctx, store, name)
	if err != nil {
		return err
	}
	defer lease.Release()
	beating, stop := context.WithCancel(ctx)
	held := make(chan struct{})
	go func() {
		defer close(held)
		_ = lease.Hold(beating)
	}()
	defer func() { stop(); <-held }()
	return do(lease)
}

// contested reports whether another hub may have the place of this one.
func (a *App) contested() bool { return a.o.Settings.Store.Postgres != "" }

// name is how other hubs know this one.
func (a *App) name() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	name := []rune(host + " " + a.WebAddr())
	for i, r := range name {
		if r < ' ' || r > '~' {
			name[i] = '?' // the server would
		}
	}
	return string(name)
}

// first elects a hub that can serve alone only, because kiosks come to its own
// broker or nobody else has its store.
func (a *App) first(ctx context.Context) (*sqlstore.Lease, error) {
	lease, err := elect(ctx, a.store, a.name())
	if other, ok := errors.AsType[OtherHubError](err); ok {
		return nil, fmt.Errorf("%w, and the embedded broker serves exactly one hub: stop the other, or give both the same external broker with [broker] address", other)
	}
	return lease, err
}

// OtherHubError says that another hub ingests, and its name.
type OtherHubError string

// Error says so.
func (e OtherHubError) Error() string {
	return fmt.Sprintf("another hub (%s) ingests into this database", string(e))
}

// elect elects a program that does not wait long for its place. Its error is an OtherHubError when it is taken.
func elect(ctx context.Context, store *sqlstore.Store, name string) (*sqlstore.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, electWithin)
	defer cancel()
	found, other := false, ""
	lease, err := store.Elect(ctx, name, func(holder string) { found, other = true, holder })
	if err != nil && found && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, OtherHubError(other)
	}
	return lease, err
}

// begin takes over the store and makes what ingests.
func (a *App) begin(ctx context.Context, lease *sqlstore.Lease) (*reign, error) {
	verify := doubt
	if a.contested() {
		verify = doubtAmongSeveral
	}
	id, term, err := takeOver(ctx, elected{a.store, lease}, a.folder.Path(lastTermName), verify, a.o.Log)
	if err != nil {
		return nil, err
	}
	r := &reign{lease: lease, since: a.o.Now()}
	if r.fleet, err = fleet.Open(ctx, pulse{a.store, term}, a.o.Now, a.o.Log); err != nil {
		return nil, err
	}
	var store ingest.Store = a.store
	if a.o.WrapStore != nil {
		store = a.o.WrapStore(store)
	}
	r.intake = ingest.NewIntake(ingest.IntakeOptions{
		Ingester: ingest.New(store, ingest.Options{StoreID: id, Term: term, Now: a.o.Now}), Store: store, Log: a.o.Log,
		Answer:    func(ctx context.Context, answers []ingest.Answer) { r.talk.answer(ctx, answers) },
		Committed: a.committed,
		Journals:  a.store, Version: run.Version(), Rebuilds: a.store, Packs: a.store,
	})
	r.talk = &conversation{
		dial: a.o.Dial, target: a.target(), external: a.broker == nil, intake: r.intake, fleet: r.fleet, log: a.o.Log,
		again: make(chan struct{}, 1),
		self:  wire.Hub{V: wire.Version, Store: id, Term: term, Since: r.since.UnixMilli()},
	}
	return r, nil
}

// target is where the hub meets the kiosks.
func (a *App) target() link.Options {
	if a.broker == nil {
		s := a.o.Settings.Broker
		return link.Options{Address: s.Address, Username: s.Username, Password: s.Password}
	}
	o := link.Options{Address: a.BrokerAddr(), Username: hubUser, Password: a.own}
	if a.tls != nil {
		o.TLS = a.tls.hub
	}
	return o
}

// run ingests until ctx is done or the hub loses its place: it hangs up, finishes
// the group that it has begun, writes the last of the pulse, and lets go.
func (r *reign) run(ctx context.Context, log *slog.Logger) error {
	g := run.NewGroup(ctx, run.Options{Log: log})
	g.Closer("lease", func() error { r.lease.Release(); return nil })
	g.Start("election", r.lease.Hold)
	g.Start("fleet", r.fleet.Run)
	g.Start("ingest", r.intake.Run)
	g.Start("link", r.talk.run)
	return g.Wait()
}

// ingests runs reigns, and waits between them, until ctx is done. r is the first
// one, or nil to wait for it. Where nobody can have the place of this hub, its
// loss is an error.
func (a *App) ingests(ctx context.Context, r *reign) error {
	for {
		if r == nil {
			if r = a.await(ctx); r == nil {
				return nil // ctx is done
			}
		}
		a.role.enter(r)
		a.o.Log.Info("this hub ingests", "term", r.talk.self.Term)
		err := r.run(ctx, a.o.Log)
		a.role.leave(r)
		if ctx.Err() != nil || !a.contested() {
			return err
		}
		a.o.Log.Warn("this hub no longer ingests and waits for its place", "why", err)
		r = nil
	}
}

// await waits until this hub is elected and has taken over; nil when ctx is done.
func (a *App) await(ctx context.Context) *reign {
	said := ""
	for {
		lease, err := a.store.Elect(ctx, a.name(), func(holder string) {
			if a.role.wait(holder) {
				a.o.Log.Info("another hub ingests, this one waits for its place", "other", holder)
			}
		})
		if err == nil {
			var r *reign
			if r, err = a.begin(ctx, lease); err == nil {
				return r
			}
			lease.Release()
		}
		if ctx.Err() != nil {
			return nil
		}
		a.role.fail(err)
		if said != err.Error() {
			said = err.Error()
			a.o.Log.Error("this hub cannot stand for election and tries again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reelectAfter):
		}
	}
}

// news passes on what any hub committed, until ctx is done.
func (a *App) news(ctx context.Context) error {
	publish := func(sites []feedback.SiteID) { a.board.Publish(live.News{Sites: sites, At: a.o.Now()}) }
	said := ""
	for {
		err := a.store.Follow(ctx, publish)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to stop
		}
		if said != err.Error() {
			said = err.Error()
			a.o.Log.Warn("the hub hears no news of commits and connects again; open pages look by themselves meanwhile", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reelectAfter):
		}
	}
}

func (r *role) enter(x *reign) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reign, r.holder, r.trouble = x, "", nil
}

func (r *role) leave(x *reign) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reign, r.before = nil, r.before.Plus(x.intake.Stats())
}

// wait notes who ingests, and reports whether that is news.
func (r *role) wait(holder string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	news := holder != "" && (holder != r.holder || r.trouble != nil)
	r.holder, r.trouble = holder, nil
	return news
}

func (r *role) fail(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holder, r.trouble = "", why
}

func (r *role) stats() ingest.Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reign == nil {
		return r.before
	}
	return r.before.Plus(r.reign.intake.Stats())
}

// current returns the reign of this hub, or nil.
func (r *role) current() *reign {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reign
}

// String says who ingests, in a line for people and their monitors.
func (r *role) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.reign != nil:
		link := "no link to the broker"
		if r.reign.talk.up.Load() {
			link = "on the broker"
		}
		return fmt.Sprintf("this hub ingests: term %d, since %s, %s", r.reign.talk.self.Term, r.reign.since.UTC().Format(time.RFC3339), link)
	case r.trouble != nil:
		return "this hub cannot see who ingests: its log says why" // which names hosts and users
	case r.holder != "":
		return "this hub waits: " + r.holder + " ingests"
	}
	return "this hub waits: it is not known who ingests"
}

// refuses says why nothing can be stored, as far as this hub knows.
func (r *role) refuses() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.trouble != nil || r.reign != nil && r.reign.intake.Stats().StoreFails {
		return errors.New("the hub cannot write to its store; kiosks keep their presses")
	}
	return nil
}

// pulse is the store of what kiosks say of themselves, under a term.
type pulse struct {
	*sqlstore.Store
	term int64
}

// PutSightings implements fleet.Store.
func (p pulse) PutSightings(ctx context.Context, seen []fleet.Sighting) error {
	return p.Store.PutSightingsUnder(ctx, p.term, seen)
}
