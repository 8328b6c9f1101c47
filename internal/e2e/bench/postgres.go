package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"sourire/hub/app"
	"sourire/hub/store/sqlstore"
	pgbare "sourire/hub/store/sqlstore/bare"
	"sourire/hub/verify"
	"sourire/internal/postgres"
)

// serverPlan says how much is measured on PostgreSQL.
type serverPlan struct {
	rounds   int
	kiosks   int // that send batches
	records  int // in full batches, each round and size
	singles  int // kiosks that send single presses
	presses  int // of each of these, each round
	peer     bool
	messages int           // records that the peer and the hubs get, each round and size
	budget   time.Duration // after which no further round begins, once there are three
	verify   bool          // read back what is stored
}

// postgresResult are the samples of a hub whose store is on PostgreSQL; all CPU
// is that of hub and server.
type postgresResult struct {
	missing string // why nothing was measured; empty: it was
	full    []fullResult
	singles loadResult
	commits samples // bare ones of one row, in microseconds
	effort  samples // their CPU, the server's included, in microseconds
}

// hubOnServer is a hub and its server.
type hubOnServer struct {
	*child
	server *postgres.Server
}

// ask implements system.
func (h hubOnServer) ask(line string) (status, error) {
	st, err := h.child.ask(line)
	st.CPU += treeCPU(h.server.PID())
	return st, err
}

// onServer is what is measured on one server, by turns.
type onServer struct {
	*bench
	server  *postgres.Server
	hub     hubOnServer
	limit   *pgbare.DB
	fleets  []*fleet // one for each of sizes
	singles *fleet
	duel    *duel // nil: there is no peer
}

// postgres measures a hub on a server of its own, and the peer beside it.
func (b *bench) postgres(ctx context.Context) (err error) {
	server, err := postgres.Start()
	if errors.Is(err, postgres.ErrMissing) {
		b.results.postgres.missing, b.results.peer.missing = err.Error(), err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	address, err := server.Database()
	if err != nil {
		return err
	}
	h, err := startHub(ctx, filepath.Join(b.folder, "on-server"), address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.stop()) }()
	s := &onServer{bench: b, server: server, hub: hubOnServer{h, server}}
	if err := s.measure(ctx); err != nil {
		return fmt.Errorf("on PostgreSQL: %w", err)
	}
	if b.plan.server.verify {
		return verified(ctx, hubSettings("", address))
	}
	return nil
}

func (s *onServer) measure(ctx context.Context) (err error) {
	p := s.plan.server
	address, err := s.server.Database()
	if err != nil {
		return err
	}
	if s.limit, err = pgbare.Open(ctx, address, p.kiosks); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.limit.Close()) }()
	for _, size := range sizes() {
		f, err := dialFleet(s.hub.address, fmt.Sprintf("full-%d", size), p.kiosks)
		if err != nil {
			return err
		}
		defer f.close()
		s.fleets = append(s.fleets, f)
		s.results.postgres.full = append(s.results.postgres.full, fullResult{size: size})
	}
	if s.singles, err = dialFleet(s.hub.address, "single", p.singles); err != nil {
		return err
	}
	defer s.singles.close()
	if s.duel, err = s.challenge(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.duel.end()) }()
	return s.rounds(ctx)
}

// rounds are as those of a hub on SQLite are.
func (s *onServer) rounds(ctx context.Context) error {
	began := time.Now()
	r := &s.results.postgres
	for round := range s.plan.server.rounds + 1 {
		if round > 3 && time.Since(began) > s.plan.server.budget {
			break
		}
		for i, f := range s.fleets {
			if err := s.fullRound(ctx, f, &r.full[i]); err != nil {
				return err
			}
		}
		if err := s.singleRound(ctx); err != nil {
			return err
		}
		if err := s.duel.round(); err != nil {
			return err
		}
		if round > 0 {
			continue
		}
		for i, f := range r.full { // that was the warming up
			r.full[i] = fullResult{size: f.size, loadResult: loadResult{group: f.group}}
		}
		r.singles, r.commits, r.effort = loadResult{}, nil, nil
		s.duel.forget()
	}
	return nil
}

func (s *onServer) fullRound(ctx context.Context, f *fleet, r *fullResult) error {
	p := s.plan.server
	batches := max(1, p.records/r.size/p.kiosks)
	n := batches * p.kiosks * r.size
	group := 5000 // the hub's own bound, until it is known
	if known := len(r.group); known > 0 {
		group = int(r.group[known-1])
	}
	group = max(1, group/r.size)
	began, used := time.Now(), s.ownAndServer()
	done := 0
	for ; done < n; done += group * r.size {
		if err := s.limit.Write(ctx, group, r.size); err != nil {
			return fmt.Errorf("bare copy: %w", err)
		}
	}
	bareRate, bareCPU := float64(done)/time.Since(began).Seconds(), micros(s.ownAndServer()-used)/float64(done)
	if err := f.press(batches, r.size); err != nil {
		return err
	}
	if err := s.load(s.hub, f, fmt.Sprintf("postgres-full-%d", r.size), n, &r.loadResult); err != nil {
		return err
	}
	r.bareRate, r.bareCPU = append(r.bareRate, bareRate), append(r.bareCPU, bareCPU)
	r.ratio = append(r.ratio, last(r.rate)/bareRate)
	r.burden = append(r.burden, last(r.cpu)/bareCPU)
	return nil
}

func (s *onServer) singleRound(ctx context.Context) error {
	p, all := s.plan.server, &s.results.postgres
	began, used := time.Now(), s.ownAndServer()
	for range s.plan.commits {
		if _, err := s.limit.CommitOne(ctx); err != nil {
			return fmt.Errorf("bare commit: %w", err)
		}
	}
	commits := float64(s.plan.commits)
	one, effort := micros(time.Since(began))/commits, micros(s.ownAndServer()-used)/commits
	all.commits, all.effort = append(all.commits, one), append(all.effort, effort)
	if err := s.singles.press(p.presses, 1); err != nil {
		return err
	}
	r := &all.singles
	if err := s.load(s.hub, s.singles, "postgres-single", p.presses*p.singles, r); err != nil {
		return err
	}
	r.ratio = append(r.ratio, last(r.rate)*one/1e6)
	r.burden = append(r.burden, last(r.cpu)/effort)
	return nil
}

// ownAndServer is the CPU of whoever writes the bare rows.
func (s *onServer) ownAndServer() time.Duration { return ownCPU() + treeCPU(s.server.PID()) }

// verified reads a hub's store back and says what is wrong with it.
func verified(ctx context.Context, s app.Settings) (err error) {
	store, err := app.OpenStore(ctx, s, sqlstore.Options{MustExist: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	r, err := verify.Run(ctx, store, "", nil)
	if err != nil {
		return err
	}
	problems, presses := r.Problems, int64(0)
	for _, f := range r.Findings {
		problems = append(problems, f.Problems...)
		presses += f.Presses
	}
	if len(problems) > 0 || presses == 0 {
		return fmt.Errorf("%d presses are stored, and %q", presses, problems)
	}
	return nil
}
