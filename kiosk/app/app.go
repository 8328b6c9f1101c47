// Package app composes a kiosk: folder, journal, plans, flow and uplink.
//
// It stands over the line and knows every part of it; no part knows this
// package. A kiosk is a value: [New] acquires and rolls back, [Kiosk.Run] blocks,
// and many of them live in one process. Inputs and what the visitor sees are
// handed in, so that tests, the simulator and the window build whole kiosks.
//
// # The press
//
// A signal is taken from its source, stepped through kiosk/session, appended to
// the journal, and only when it is on disk the visitor is thanked. One goroutine
// does so, and nothing on that way waits for a network, a hub or a screen.
//
// # What survives a crash
//
// What the journal has: each press that was thanked. Signals that wait in the
// queue when the power goes are lost, and nobody was thanked for them.
//
// # Stopping
//
// In the reverse order of the start: sources, then the flow, which takes what
// they have said, then the uplink, the upkeep, the journal, and the folder's
// lock last.
//
// The package must not know MQTT, SQL or toolkits.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"sourire/internal/durable"
	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/run"
	"sourire/internal/sqlite"
	"sourire/internal/wire"
	"sourire/kiosk/clock"
	"sourire/kiosk/health"
	"sourire/kiosk/input"
	"sourire/kiosk/journal"
	"sourire/kiosk/session"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

// JournalFile is the name of the journal in the data folder.
const JournalFile = "journal.db"

// DefaultUpkeep is the time between two upkeeps of the journal.
const DefaultUpkeep = time.Minute

// Appender appends facts durably; *journal.Journal is one.
type Appender interface {
	AppendAt(ctx context.Context, at journal.At, facts ...feedback.Fact) ([]journal.Entry, error)
}

// Front is what the visitor sees and hears. Its methods are called one at a
// time; they must not block, nor call the kiosk.
type Front interface {
	// Show shows what there is to see now; it may be what is shown already.
	Show(v session.View)
	// Thank thanks for a press that is on disk, the same for every face.
	Thank()
}

// Clock tells the time; *clock.System is one.
type Clock interface{ Now() clock.Reading }

// Options make a kiosk. Only Settings are needed.
type Options struct {
	Settings settings.Settings
	Version  string       // of the program; "" means run.Version()
	Log      *slog.Logger // nil means slog.Default()
	Clock    Clock        // nil means the machine's
	Sources  []input.Source
	Front    Front // nil: nobody sees or hears anything
	// Buttons tells how the buttons are, for the health; nil: there are none.
	Buttons func() []wire.Button
	Times   uplink.Times
	Upkeep  time.Duration // 0 means DefaultUpkeep
	Offline bool          // no hub is looked for

	// The seams at which faults and ledgers are put in.

	// WrapAppender stands between the flow and the journal.
	WrapAppender func(Appender) Appender
	// WrapJournal stands between the uplink and the journal.
	WrapJournal func(uplink.Journal) uplink.Journal
	// Dial opens a connection to the broker; nil means uplink.Dial.
	Dial func(context.Context, link.Options) (uplink.Conn, error)
}

// Kiosk is a kiosk that holds its folder and its journal.
type Kiosk struct {
	o       Options
	id      feedback.KioskID
	link    link.Options
	folder  *durable.Folder
	journal *journal.Journal
	plans   *settings.Plans
	gauge   *health.Gauge
	flow    *flow
	uplink  *uplink.Uplink // nil when offline

	closeOnce sync.Once
	closeErr  error // written inside closeOnce
}

// New opens the data folder and the journal, and applies the plan in force. On
// an error nothing is left behind. Whoever does not call Run calls Close.
func New(ctx context.Context, o Options) (*Kiosk, error) {
	k, err := newKiosk(o)
	if err != nil {
		return nil, err
	}
	if err := k.open(ctx); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// newKiosk checks the options and opens nothing but files that are read.
func newKiosk(o Options) (*Kiosk, error) {
	if err := o.Settings.Check(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Version == "" {
		o.Version, _, _ = strings.Cut(run.Version(), " ")
	}
	if o.Front == nil {
		o.Front = nobody{}
	}
	if o.Upkeep == 0 {
		o.Upkeep = DefaultUpkeep
	}
	if o.Clock == nil {
		c, err := clock.New()
		if err != nil {
			return nil, err
		}
		o.Clock = c
	}
	k := &Kiosk{o: o, id: feedback.KioskID(o.Settings.Kiosk.ID)}
	if o.Offline {
		return k, nil
	}
	var err error
	k.link, err = linkOptions(o.Settings)
	return k, err
}

// open acquires what Close gives up.
func (k *Kiosk) open(ctx context.Context) error {
	s := k.o.Settings
	var err error
	if k.folder, err = durable.Open(s.Data); err != nil {
		return err
	}
	diskFree := func() (int64, error) { return health.DiskFree(k.folder.Path()) }
	k.warnOfLoss()
	k.journal, err = journal.Open(ctx, journal.Options{
		Path: k.folder.Path(JournalFile), Kiosk: k.id, Version: k.o.Version, Clock: k.o.Clock,
		Keep: s.Journal.Keep, MaxBytes: s.Journal.MaxSize, DiskFree: diskFree,
	})
	if err != nil {
		return err
	}
	k.warnOfDamage()
	s.Data = k.folder.Path()
	if k.plans, err = settings.OpenPlans(s, k.o.Log); err != nil {
		return err
	}
	k.gauge = health.New(health.Options{Journal: k.journal, Clock: k.o.Clock, Data: s.Data, DiskFree: diskFree, Buttons: k.o.Buttons})
	var appender Appender = k.journal
	if k.o.WrapAppender != nil {
		appender = k.o.WrapAppender(appender)
	}
	k.flow = newFlow(appender, k.journal.Now, k.o)
	if !k.o.Offline {
		k.dropNote()
		k.uplink = k.newUplink()
	}
	return k.applyPlan(ctx)
}

// warnOfLoss says that a kiosk has run in this folder and its journal is gone.
func (k *Kiosk) warnOfLoss() {
	path := k.folder.Path(JournalFile)
	if journal.Begun(path) {
		return
	}
	damaged, _ := journal.Damaged(path) // an error is of the pattern, which is ours
	for _, name := range append(damaged, k.folder.Path(NoteFile), k.folder.Path(settings.PlanFile)) {
		if _, err := os.Lstat(name); err == nil {
			k.o.Log.Warn("a kiosk has run in this folder and its journal is gone, so a new one begins: what the hub had not confirmed is in the old file only; if somebody has that, stop this kiosk and put it back before anybody presses",
				"journal", path, "seen", name)
			return
		}
	}
}

// warnOfDamage says where the remains of a damaged journal are.
func (k *Kiosk) warnOfDamage() {
	if names, err := journal.Damaged(k.journal.Path()); err == nil && len(names) > 0 {
		k.o.Log.Warn("a damaged journal was set aside; what could be read of it goes to the hub", "files", names)
	}
}

// applyPlan puts the plan in force into the flow; the journal learns of it
// unless it is the last that it holds.
func (k *Kiosk) applyPlan(ctx context.Context) error {
	plan := k.plans.Current()
	k.warnOfLanguage(plan)
	last, ok, err := k.journal.Plan(ctx)
	if err != nil {
		return err
	}
	same := ok && last.Plan == plan.ID && last.Asked == plan.Asked
	_, err = k.flow.do(ctx, session.NewPlan{Plan: plan.Plan, Applied: same}, k.o.Clock.Now().Since)
	return err
}

// warnOfLanguage says when visitors see another language than the one that is set.
func (k *Kiosk) warnOfLanguage(plan settings.Plan) {
	base := func(tag string) string { b, _, _ := strings.Cut(strings.ToLower(tag), "-"); return b }
	if wanted := k.o.Settings.Kiosk.Language; base(wanted) != base(plan.Language) {
		k.o.Log.Warn("there are no words in the language of kiosk.language, visitors see another: set one of fr, en, de, es, it, fi, ar and zh, or let the plan bring words",
			"wanted", wanted, "shown", plan.Language)
	}
}

func (k *Kiosk) newUplink() *uplink.Uplink {
	var j uplink.Journal = k.journal
	if k.o.WrapJournal != nil {
		j = k.o.WrapJournal(j)
	}
	return uplink.New(uplink.Options{
		Kiosk: k.id, Link: k.link, Journal: j, Changed: k.journal.Changed(), Session: k.journal.NextSession,
		HubTime: k.journal.HubTime, Birth: k.birth, Health: k.health, Plan: k.takePlan,
		Dial: dialer(k.o.Settings, k.o.Dial), Times: k.o.Times, Log: k.o.Log, Told: k.noteLink,
	})
}

func (k *Kiosk) birth(context.Context) wire.State {
	return wire.State{Version: k.o.Version, Boot: k.journal.Boot(), Plan: k.plans.Current().ID, At: k.unixMilli()}
}

// unixMilli is the instant as far as it is known, else 0.
func (k *Kiosk) unixMilli() int64 {
	if now := k.journal.Now(); !now.IsZero() {
		return now.UnixMilli()
	}
	return 0
}

func (k *Kiosk) health(ctx context.Context) wire.Health {
	h, err := k.gauge.Read(ctx)
	if err != nil && ctx.Err() == nil {
		k.o.Log.Warn("not all of the health is known", "err", err)
	}
	if h.At == 0 {
		h.At = k.unixMilli()
	}
	return h
}

// takePlan puts a plan of the hub into force.
func (k *Kiosk) takePlan(ctx context.Context, payload []byte) {
	plan, changed, err := k.plans.Take(payload)
	if err != nil {
		k.o.Log.Warn("a plan of the hub is not followed", "err", err)
		return
	}
	if !changed {
		return
	}
	k.o.Log.Info("another plan is in force", "plan", plan.ID, "touchpoint", plan.Asked.Touchpoint, "scale", plan.Asked.Scale)
	if _, err := k.flow.do(ctx, session.NewPlan{Plan: plan.Plan}, k.o.Clock.Now().Since); err != nil {
		k.o.Log.Error("the plan is not in the journal yet", "err", err)
	}
}

// Run takes presses and talks to the hub until ctx is done or a part fails,
// then stops everything in order and closes the kiosk. It is called once.
func (k *Kiosk) Run(ctx context.Context) error {
	g := run.NewGroup(ctx, run.Options{Log: k.o.Log})
	g.Closer("kiosk", k.Close)
	g.Start("upkeep", k.upkeep)
	if k.uplink != nil {
		g.Start("uplink", k.uplink.Run)
	}
	g.Start("flow", k.flow.run)
	for i, source := range k.o.Sources {
		g.Start(fmt.Sprintf("source %d", i+1), func(ctx context.Context) error {
			if err := source.Run(ctx, k.flow.emit); err != nil {
				return err
			}
			<-ctx.Done() // it has nothing more to say, and others may have
			return nil
		})
	}
	return g.Wait()
}

// upkeep renews the journal each minute. Only damage ends it, and the program:
// the next start salvages.
func (k *Kiosk) upkeep(ctx context.Context) error {
	tick := time.NewTicker(k.o.Upkeep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := k.journal.Renew(context.WithoutCancel(ctx))
		if sqlite.IsDamaged(err) {
			return err
		}
		if err != nil {
			k.o.Log.Error("the journal could not be kept up", "err", err)
		}
	}
}

// Close gives up what New acquired. Run does it by itself; twice is fine.
func (k *Kiosk) Close() error {
	k.closeOnce.Do(func() {
		var errs []error
		if k.journal != nil {
			errs = append(errs, k.journal.Close())
		}
		if k.folder != nil {
			errs = append(errs, k.folder.Close())
		}
		k.closeErr = errors.Join(errs...)
	})
	return k.closeErr
}

// Press presses the face of a rating, and returns when that is on disk, as its
// journal entry. It works with and without Run.
func (k *Kiosk) Press(ctx context.Context, rating int) (journal.Entry, error) {
	scale, err := feedback.ParseScale(string(k.plans.Current().Asked.Scale))
	if err != nil {
		return journal.Entry{}, err
	}
	if !scale.Has(rating) {
		return journal.Entry{}, fmt.Errorf("rating %d is not on scale %s: give one from %d to %d", rating, scale.ID, scale.Lowest, scale.Highest())
	}
	now := k.o.Clock.Now().Since
	finger := session.Finger{Signal: input.Signal{Kind: input.Press, Place: scale.Step(rating), At: now}}
	entries, err := k.flow.do(ctx, finger, now)
	if err != nil {
		return journal.Entry{}, err
	}
	for _, e := range entries {
		if e.Record.Fact.Kind() == feedback.KindPress {
			return e, nil
		}
	}
	return journal.Entry{}, fmt.Errorf("the press was not taken")
}

// Status is how a kiosk is, for people and for tests.
type Status struct {
	Journal journal.Stats
	Link    uplink.Status // zero when offline
	Plan    settings.Plan
}

// Status looks at the kiosk.
func (k *Kiosk) Status(ctx context.Context) (Status, error) {
	stats, err := k.journal.Stats(ctx)
	return Status{Journal: stats, Link: k.Link(), Plan: k.plans.Current()}, err
}

// Link tells how the conversation with the hub goes, and asks no disk; zero when
// offline.
func (k *Kiosk) Link() uplink.Status {
	if k.uplink == nil {
		return uplink.Status{}
	}
	return k.uplink.Status()
}

// nobody is a front without a screen, lamp or sound.
type nobody struct{}

func (nobody) Show(session.View) {}
func (nobody) Thank()            {}
