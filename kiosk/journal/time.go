package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/wire"
	"sourire/kiosk/clock"
)

const (
	// wallStep is how far the wall clock may move against the time since boot
	// before that is stated anew.
	wallStep = int64(1000)
	// systemUncertainty in milliseconds is granted to a clock that the system
	// holds to be synchronised: NTP over mobile links is worse than a LAN's.
	systemUncertainty = 50
	// maxRoundTrip of an answer from which the time is taken (protocol.md).
	maxRoundTrip = 2 * time.Second
	// earliest is before this program was written: a hub that says so has no
	// clock either.
	earliest = int64(1_760_000_000_000)
)

// bootTime is what the current epoch says of this boot.
type bootTime struct {
	boot       feedback.Boot
	wall       *feedback.Wall
	wallOffset int64 // of the wall record: wall clock less time since boot
	fix        *feedback.ClockFix
}

// note takes from a record what it says of this boot's time.
func (t *bootTime) note(r feedback.Record) {
	switch f := r.Fact.(type) {
	case feedback.Wall:
		if r.Stamp.Boot == t.boot {
			t.wall, t.wallOffset = &f, f.UnixMilli-r.Stamp.Since
		}
	case feedback.ClockFix:
		if f.Boot == t.boot {
			t.fix = &f
		}
	}
}

// better reports whether a fix with this uncertainty is worth a record.
func (t *bootTime) better(uncertainty int64) bool {
	return t.fix == nil || 2*uncertainty <= t.fix.Uncertainty
}

// clock states the wall clock and the offset where they are news.
func (p *pen) clock(now clock.Reading) error {
	offset := now.Offset().UnixMilli()
	stamp := feedback.Stamp{Boot: p.time.boot, Since: now.Since.Milliseconds()}
	moved := offset - p.time.wallOffset
	if p.time.wall == nil || p.time.wall.Trusted != now.Trusted || moved > wallStep || moved < -wallStep {
		_, err := p.add(feedback.Record{Stamp: stamp, Fact: feedback.Wall{UnixMilli: now.Wall.UnixMilli(), Trusted: now.Trusted}})
		if err != nil {
			return err
		}
	}
	if !now.Trusted || !p.time.better(systemUncertainty) {
		return nil
	}
	_, err := p.add(feedback.Record{Stamp: stamp, Fact: feedback.ClockFix{
		Boot: p.time.boot, Offset: offset, Uncertainty: systemUncertainty, Source: "system",
	}})
	return err
}

// HubTime learns the time from an answer of the hub: at is the hub's clock,
// roundTrip how long the answer took, which has just arrived. It does nothing
// while the system's clock is trusted, or when nothing would become better.
func (j *Journal) HubTime(ctx context.Context, at time.Time, roundTrip time.Duration) error {
	now := j.o.Clock.Now()
	uncertainty := max(1, roundTrip.Milliseconds()/2)
	if now.Trusted || roundTrip > maxRoundTrip || at.UnixMilli() < earliest {
		return nil
	}
	j.mu.Lock()
	better := j.time.better(uncertainty)
	j.mu.Unlock()
	if !better {
		return nil
	}
	_, err := j.Append(ctx, feedback.ClockFix{
		Boot: j.Boot(), Offset: at.Add(roundTrip/2).UnixMilli() - now.Since.Milliseconds(),
		Uncertainty: uncertainty, Source: "hub",
	})
	return err
}

// Now returns the instant as far as it is known: the trusted wall clock, else
// what a fix of this boot makes of the time since boot, else the zero Time.
func (j *Journal) Now() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := j.instant(j.o.Clock.Now())
	if at == 0 {
		return time.Time{}
	}
	return time.UnixMilli(at)
}

// instant is Now in Unix milliseconds, 0 when unknown. j.mu is held.
func (j *Journal) instant(now clock.Reading) int64 {
	switch {
	case now.Trusted:
		return now.Wall.UnixMilli()
	case j.time.fix != nil:
		return j.time.fix.Offset + now.Since.Milliseconds()
	}
	return 0
}

// Boot returns the number of this boot.
func (j *Journal) Boot() feedback.Boot {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.time.boot
}

// readTime reads what an epoch says of this boot; the boot is 0 when the
// journal has not seen it yet.
func (j *Journal) readTime(ctx context.Context, id feedback.Epoch) (bootTime, error) {
	var t bootTime
	err := j.db.Read.QueryRowContext(ctx, "SELECT n FROM boot WHERE kernel = ?", j.o.Clock.Now().BootID).Scan(&t.boot)
	if errors.Is(err, sql.ErrNoRows) {
		return t, nil
	}
	if err != nil {
		return t, err
	}
	for _, kind := range []feedback.Kind{feedback.KindWall, feedback.KindClockFix} {
		body, err := readLandmark(ctx, j.db.Read, id, kind, maxSeq)
		if body == nil || err != nil {
			if err != nil {
				return t, err
			}
			continue
		}
		r, err := wire.DecodeRecord(body)
		if err != nil {
			return t, fmt.Errorf("the last %s record: %w", kind, err)
		}
		t.note(r)
	}
	return t, nil
}

// start records that the program runs: in a new epoch where there is none, with
// the number of this boot, how long the kiosk was down, and the clocks.
func (j *Journal) start(ctx context.Context) error {
	j.writer.Lock()
	defer j.writer.Unlock()
	now := j.o.Clock.Now()
	var s seen
	err := j.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO journal VALUES (1, ?, 'new', 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING", string(j.o.Kiosk))
		if err != nil {
			return err
		}
		if s, err = readSeen(ctx, tx); err != nil {
			return err
		}
		t, err := j.bootOf(ctx, tx, now)
		if err != nil {
			return err
		}
		if n := len(j.epochs); n > 0 && j.epochs[n-1].Current {
			return nil
		}
		p := &pen{ctx: ctx, tx: tx, time: t}
		began := feedback.EpochBegan{Why: s.why}
		if n := len(j.epochs); n > 0 {
			last := j.epochs[n-1]
			p.row.total = last.total
			began.Parent, began.ParentLast, began.ParentHash = last.ID, last.Next-1, last.Head
		}
		if err := p.begin(now, began); err != nil {
			return err
		}
		return p.finish()
	})
	if err != nil {
		return err
	}
	if err := j.load(ctx); err != nil {
		return err
	}
	j.ackedAt = s.ackedAt
	return j.write(ctx, func(p *pen) error {
		stamp := feedback.Stamp{Boot: p.time.boot, Since: now.Since.Milliseconds()}
		boot := feedback.BootBegan{Version: j.o.Version, Down: s.down(stamp, p.at)}
		if _, err := p.add(feedback.Record{Stamp: stamp, Fact: boot}); err != nil {
			return err
		}
		p.time.wall = nil // each start says what the clock shows
		if err := p.clock(now); err != nil {
			return err
		}
		return writeSeen(p.ctx, p.tx, seen{stamp: stamp, at: p.at})
	})
}

// bootOf gives this boot a number.
func (j *Journal) bootOf(ctx context.Context, tx *sql.Tx, now clock.Reading) (bootTime, error) {
	_, err := tx.ExecContext(ctx, "INSERT INTO boot (kernel) VALUES (?) ON CONFLICT DO NOTHING", now.BootID)
	if err != nil {
		return bootTime{}, err
	}
	var t bootTime
	err = tx.QueryRowContext(ctx, "SELECT n FROM boot WHERE kernel = ?", now.BootID).Scan(&t.boot)
	return t, err
}

// seen is when the program was last known to run.
type seen struct {
	why     string
	stamp   feedback.Stamp
	at      int64
	ackedAt int64
}

// down returns how many milliseconds the kiosk was down until now, −1 when
// nothing tells.
func (s seen) down(now feedback.Stamp, at int64) int64 {
	switch {
	case s.stamp.Boot == now.Boot && now.Since >= s.stamp.Since:
		return now.Since - s.stamp.Since
	case s.at > 0 && at >= s.at:
		return at - s.at
	}
	return -1
}

func readSeen(ctx context.Context, tx *sql.Tx) (s seen, err error) {
	err = tx.QueryRowContext(ctx, "SELECT why, seen_boot, seen_since, seen_at, acked_at FROM journal").
		Scan(&s.why, &s.stamp.Boot, &s.stamp.Since, &s.at, &s.ackedAt)
	return s, err
}

func writeSeen(ctx context.Context, tx *sql.Tx, s seen) error {
	_, err := tx.ExecContext(ctx, "UPDATE journal SET seen_boot = ?, seen_since = ?, seen_at = ?", s.stamp.Boot, s.stamp.Since, s.at)
	return err
}

// NextSession returns the number of a new connection: above all before it, also
// with a clock in 1970; and, where the clock can be trusted, above those of a
// journal that this kiosk has lost.
func (j *Journal) NextSession(ctx context.Context) (int64, error) {
	floor := int64(0)
	if now := j.Now(); !now.IsZero() {
		floor = now.Unix()
	}
	j.writer.Lock()
	defer j.writer.Unlock()
	var session int64
	err := j.db.Write.QueryRowContext(ctx, "UPDATE journal SET session = max(session + 1, ?) RETURNING session", floor).Scan(&session)
	if err != nil {
		return 0, fmt.Errorf("journal: session number: %w", j.explain(err))
	}
	return session, nil
}
