package sqlstore

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"sourire/hub/ingest"
	"sourire/internal/feedback"
)

// Store is an open store. Its verbs may be called from several goroutines;
// writes wait for each other.
type Store struct {
	d      dialect
	tables tables

	mu      sync.Mutex
	asked   map[feedback.Asked]int64     // rows that are committed
	sources map[ingest.Key]int64         // rows that are committed; journals heard lately
	months  map[month]bool               // that have room for records
	zones   zones                        // in which days stand, committed
	packs   packs                        // how far journals are packed, committed
	rules   map[*time.Location]int64     // see rulesOf
	states  map[feedback.KioskID]decoded // see stateOf
}

func newStore(d dialect) *Store { return &Store{d: d, tables: bulkTables()} }

// Close ends the store. Its users must have stopped.
func (s *Store) Close() error { return s.d.close() }

// QuickCheck reads the whole database and says whether it is sound. Of a database
// on PostgreSQL it says nothing: checksums, if it has them, are its server's.
func (s *Store) QuickCheck(ctx context.Context) error { return s.d.check(ctx) }

// ID returns the id by which kiosks know this store.
func (s *Store) ID(ctx context.Context) (string, error) {
	var id string
	err := s.d.reader().QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'store'").Scan(&id)
	return id, err
}

// Redraw gives the store a new id. Whoever puts an older copy in place of a
// store must do so: it is how kiosks learn that they have to ask again.
func (s *Store) Redraw(ctx context.Context) error {
	return s.draw(ctx, "INSERT INTO meta (name, value) VALUES ('store', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
}

// name gives a new store its id.
func (s *Store) name(ctx context.Context) error {
	return s.draw(ctx, "INSERT INTO meta (name, value) VALUES ('store', ?) ON CONFLICT (name) DO NOTHING")
}

func (s *Store) draw(ctx context.Context, query string) error {
	return s.d.update(ctx, func(tx *tx) error {
		_, err := tx.ExecContext(ctx, query, newID())
		return err
	})
}

// nextTerm raises the term.
const nextTerm = "UPDATE term SET n = n + 1 RETURNING n"

// TakeOver raises the term and returns it: from now on, writes under an older
// term are refused with ingest.ErrSuperseded.
func (s *Store) TakeOver(ctx context.Context) (int64, error) {
	return s.raise(ctx, func(tx *tx) (n int64, err error) {
		err = tx.QueryRowContext(ctx, nextTerm).Scan(&n)
		return n, err
	})
}

// askedID returns the row of what was asked, made in tx when it is new.
func (s *Store) askedID(ctx context.Context, tx *tx, a feedback.Asked, made fresh) (int64, error) {
	s.mu.Lock()
	id, ok := s.asked[a]
	s.mu.Unlock()
	if ok {
		return id, nil
	}
	if id, ok = made.asked[a]; ok {
		return id, nil
	}
	// The update changes nothing; it makes RETURNING answer for an old row too.
	err := tx.QueryRowContext(ctx, `INSERT INTO asked (site, touchpoint, survey, scale) VALUES (?, ?, ?, ?)
		ON CONFLICT (site, touchpoint, survey, scale) DO UPDATE SET site = excluded.site RETURNING id`,
		a.Site, a.Touchpoint, a.Survey, a.Scale).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("asked: %w", err)
	}
	made.asked[a] = id
	return id, nil
}

// sourceID returns the row of a journal, if it is known.
func (s *Store) sourceID(k ingest.Key, made fresh) (int64, bool) {
	s.mu.Lock()
	id, ok := s.sources[k]
	s.mu.Unlock()
	if !ok {
		id, ok = made.source[k]
	}
	return id, ok
}

// maxSources bounds the cache: ten thousand kiosks and their forks.
const maxSources = 20_000

// remember takes the rows of a transaction that is committed into the caches.
func (s *Store) remember(made fresh) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil || s.sources == nil || len(s.sources) > maxSources {
		s.asked, s.sources = make(map[feedback.Asked]int64), make(map[ingest.Key]int64)
	}
	if s.months == nil {
		s.months = make(map[month]bool)
	}
	maps.Copy(s.asked, made.asked)
	maps.Copy(s.sources, made.source)
	if s.packs.packing == made.packs.packing {
		maps.Copy(s.months, made.months)
		s.packs.take(made.packs)
	}
	s.zones.take(made.zones)
}

// packedSince forgets what something that was packed since may have changed.
func (s *Store) packedSince(packing int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.packs.packing != packing {
		s.months, s.packs = nil, packs{packing: packing}
	}
}

// forget empties the caches: what is behind a new connection may be another copy,
// where the same rows have other numbers.
func (s *Store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.sources, s.months, s.zones, s.packs = nil, nil, nil, zones{}, packs{}
}

// month is one of UTC, in which records are stored: months since the year 0.
type month int

func monthOf(day int64) month {
	at := time.Unix(day*secondsOfDay, 0).UTC()
	return month(at.Year()*12 + int(at.Month()) - 1)
}

// first returns the first day of the month, as days since 1970.
func (m month) first() int64 {
	return time.Date(int(m)/12, time.Month(int(m)%12+1), 1, 0, 0, 0, 0, time.UTC).Unix() / secondsOfDay
}

// String returns the month as 2006_01.
func (m month) String() string { return fmt.Sprintf("%04d_%02d", int(m)/12, int(m)%12+1) }

const secondsOfDay = 24 * 60 * 60

// room makes room for records that are stored on a day.
func (s *Store) room(ctx context.Context, tx *tx, day int64, made fresh) error {
	m := monthOf(day)
	s.mu.Lock()
	ready := s.months[m]
	s.mu.Unlock()
	if ready || made.months[m] {
		return nil
	}
	if err := s.d.room(ctx, tx, m); err != nil {
		return fmt.Errorf("room for records of %s: %w", m, err)
	}
	made.months[m] = true
	return nil
}
