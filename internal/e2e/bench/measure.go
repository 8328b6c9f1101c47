package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"sourire/kiosk/journal"
)

// plan says how much is measured.
type plan struct {
	rounds  int
	kiosks  int // that send full batches
	records int // in full batches, each round and size
	singles int // kiosks that send single presses
	presses int // of each of these, each round
	commits int // bare, each round
	calm    int // kiosks at light load
	seconds int // of light load
	tick    time.Duration
	budget  time.Duration // after which no further round begins, once there are three

	backlog int           // records of one kiosk
	beside  time.Duration // between two presses of each kiosk beside it
	crowd   int           // kiosks that do nothing but be there
	watch   time.Duration // how long they are watched
	server  serverPlan
}

// full takes about three minutes on two quiet cores.
func full() plan {
	return plan{
		rounds: 5, kiosks: 200, records: 200_000, singles: 1000, presses: 20, commits: 300,
		calm: 50, seconds: 10, tick: time.Second, budget: 60 * time.Second,
		backlog: 200_000, beside: 200 * time.Millisecond, crowd: 100, watch: 20 * time.Second,
		server: serverPlan{rounds: 4, kiosks: 200, records: 100_000, singles: 1000, presses: 10, peer: true, messages: 40_000, budget: 60 * time.Second},
	}
}

// short measures next to nothing.
func short() plan {
	return plan{
		rounds: 2, kiosks: 2, records: 1000, singles: 3, presses: 3, commits: 30,
		calm: 2, seconds: 3, tick: 10 * time.Millisecond, budget: time.Minute,
		backlog: 20_000, beside: 20 * time.Millisecond, crowd: 100, watch: 3 * time.Second,
		server: serverPlan{rounds: 2, kiosks: 2, records: 1000, singles: 3, presses: 3, messages: 80, budget: time.Minute, verify: true},
	}
}

// sizes are those of full batches.
func sizes() []int { return []int{500, 200} }

// results are the samples of every figure, one for each round unless said
// otherwise.
type results struct {
	full    []fullResult // one for each of sizes
	singles loadResult
	commits samples // bare ones of one row, in microseconds
	effort  samples // their CPU, in microseconds
	calm    samples // press to acknowledged, in microseconds: every one
	beside  samples // bare commits in the same seconds, in microseconds
	press   pressResult
	backlog backlogResult
	idle    idleResult

	postgres postgresResult
	peer     peerResult
}

// pressResult is how long a press takes until it is durable on the kiosk, in
// microseconds: the median of each round.
type pressResult struct{ ratio, ours, bare samples }

// loadResult is what a load did to the hub.
type loadResult struct {
	ratio  samples // of its rate to the bare rate
	rate   samples // records a second
	cpu    samples // microseconds of the hub a record
	group  samples // records a transaction
	burden samples // of cpu to the bare CPU
}

// fullResult adds the bare limit of full batches.
type fullResult struct {
	size int
	loadResult
	bareRate samples // records a second
	bareCPU  samples // microseconds a record
}

// bench is one run.
type bench struct {
	plan    plan
	hub     *child
	bare    *bare
	journal *journal.Journal
	folder  string
	profile string
	results results
}

// measure runs everything in folder.
func measure(ctx context.Context, p plan, folder, profile string) (r *results, err error) {
	b := &bench{plan: p, folder: folder, profile: profile}
	if b.bare, err = openBare(ctx, folder, p.kiosks); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.bare.close()) }()
	if b.journal, err = openJournal(ctx, folder); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.journal.Close()) }()
	if b.hub, err = startHub(ctx, folder, ""); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.hub.stop()) }()
	for _, part := range []func(context.Context) error{b.rounds, b.calm, b.backlog, b.idle, b.postgres} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	return &b.results, nil
}

// rounds measures what is as fast as it can be. The round before the first
// warms up and is not counted.
func (b *bench) rounds(ctx context.Context) error {
	var fleets []*fleet
	for _, size := range sizes() {
		f, err := dialFleet(b.hub.address, fmt.Sprintf("full-%d", size), b.plan.kiosks)
		if err != nil {
			return err
		}
		defer f.close()
		fleets = append(fleets, f)
		b.results.full = append(b.results.full, fullResult{size: size})
	}
	singles, err := dialFleet(b.hub.address, "single", b.plan.singles)
	if err != nil {
		return err
	}
	defer singles.close()
	began := time.Now()
	for round := range b.plan.rounds + 1 {
		if round > 3 && time.Since(began) > b.plan.budget {
			break // on a busy machine
		}
		for i, f := range fleets {
			if err := b.fullRound(ctx, f, &b.results.full[i]); err != nil {
				return err
			}
		}
		if err := b.singleRound(ctx, singles); err != nil {
			return err
		}
		if err := b.pressRound(ctx); err != nil {
			return err
		}
		if round == 0 {
			b.forget()
		}
	}
	return nil
}

// forget drops the samples of the warming up, but for the size of a transaction
// that the bare limit must imitate.
func (b *bench) forget() {
	for i := range b.results.full {
		f := &b.results.full[i]
		*f = fullResult{size: f.size, loadResult: loadResult{group: f.group}}
	}
	b.results.singles, b.results.commits, b.results.effort = loadResult{}, nil, nil
	b.results.press = pressResult{}
}

func (b *bench) fullRound(ctx context.Context, f *fleet, r *fullResult) error {
	group := 5000 // the hub's own bound, until it is known
	if n := len(r.group); n > 0 {
		group = int(r.group[n-1])
	}
	done, wall, cpu, err := b.bare.insert(ctx, b.plan.records, group, r.size)
	if err != nil {
		return fmt.Errorf("bare insert: %w", err)
	}
	bareRate, bareCPU := float64(done)/wall.Seconds(), micros(cpu)/float64(done)
	batches := max(1, b.plan.records/r.size/b.plan.kiosks)
	if err := f.press(batches, r.size); err != nil {
		return err
	}
	if err := b.load(b.hub, f, fmt.Sprintf("full-%d", r.size), batches*b.plan.kiosks*r.size, &r.loadResult); err != nil {
		return err
	}
	r.bareRate, r.bareCPU = append(r.bareRate, bareRate), append(r.bareCPU, bareCPU)
	r.ratio = append(r.ratio, last(r.rate)/bareRate)
	r.burden = append(r.burden, last(r.cpu)/bareCPU)
	return nil
}

func (b *bench) singleRound(ctx context.Context, f *fleet) error {
	began, used := time.Now(), ownCPU()
	for range b.plan.commits {
		if _, err := b.bare.commitOne(ctx); err != nil {
			return fmt.Errorf("bare commit: %w", err)
		}
	}
	commits := float64(b.plan.commits)
	one, effort := micros(time.Since(began))/commits, micros(ownCPU()-used)/commits
	b.results.commits, b.results.effort = append(b.results.commits, one), append(b.results.effort, effort)
	if err := f.press(b.plan.presses, 1); err != nil {
		return err
	}
	r := &b.results.singles
	if err := b.load(b.hub, f, "single", b.plan.presses*b.plan.singles, r); err != nil {
		return err
	}
	r.ratio = append(r.ratio, last(r.rate)*one/1e6)
	r.burden = append(r.burden, last(r.cpu)/effort)
	return nil
}

// load has a fleet send what is ready, n records, and takes the figures.
func (b *bench) load(on system, f *fleet, name string, n int, r *loadResult) error {
	before, err := on.ask(b.profileLine(name, len(r.rate)))
	if err != nil {
		return err
	}
	wall, err := f.drain()
	if err != nil {
		return err
	}
	after, err := on.ask("status")
	if err != nil {
		return err
	}
	if b.profile != "" {
		if _, err := on.ask("profile"); err != nil {
			return err
		}
	}
	if d := after.Dropped - before.Dropped; d > 0 {
		return fmt.Errorf("the hub dropped %d requests", d)
	}
	r.rate = append(r.rate, float64(n)/wall.Seconds())
	r.cpu = append(r.cpu, micros(after.CPU-before.CPU)/float64(n))
	r.group = append(r.group, float64(n)/float64(max(1, after.Groups-before.Groups)))
	return nil
}

// profileLine begins a profile: a file for each load and round, for pprof adds
// them up.
func (b *bench) profileLine(name string, round int) string {
	if b.profile == "" {
		return "status"
	}
	return "profile " + filepath.Join(b.profile, fmt.Sprintf("%s-%d.pprof", name, round))
}

// calm measures how long a press waits where there is little to do, and bare
// commits in the same seconds.
func (b *bench) calm(ctx context.Context) error {
	f, err := dialFleet(b.hub.address, "calm", b.plan.calm)
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.press(b.plan.seconds, 1); err != nil {
		return err
	}
	waits := make(chan time.Duration, b.plan.calm*b.plan.seconds)
	done := make(chan error, 1)
	go func() { done <- f.stroll(b.plan.tick, waits) }()
	tick := time.NewTicker(b.plan.tick / 20)
	defer tick.Stop()
	var bareErr error
	for {
		select {
		case <-tick.C:
			var d time.Duration
			if d, bareErr = b.bare.commitOne(ctx); bareErr == nil {
				b.results.beside = append(b.results.beside, micros(d))
			}
			continue
		case err = <-done:
		}
		break
	}
	close(waits)
	for d := range waits {
		b.results.calm = append(b.results.calm, micros(d))
	}
	return errors.Join(err, bareErr)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
