package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"sync"

	"sourire/hub/ingest"
	"sourire/internal/feedback"
	"sourire/internal/sqlite"
)

// Store is an open store. Its verbs may be called from several goroutines;
// writes wait for each other.
type Store struct {
	db    *sqlite.DB
	stmts statements

	mu      sync.Mutex
	asked   map[feedback.Asked]int64 // rows that are committed
	sources map[ingest.Key]int64     // rows that are committed; journals heard lately
}

// Close ends the store. Its users must have stopped.
func (s *Store) Close() error {
	return errors.Join(s.stmts.close(), s.db.Close())
}

// QuickCheck reads the whole database and says whether it is sound.
func (s *Store) QuickCheck(ctx context.Context) error { return s.db.QuickCheck(ctx) }

// ID returns the id by which kiosks know this store.
func (s *Store) ID(ctx context.Context) (string, error) {
	var id string
	err := s.db.Read.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'store'").Scan(&id)
	return id, err
}

// Redraw gives the store a new id. Whoever puts an older copy in place of a
// store must do so: it is how kiosks learn that they have to ask again.
func (s *Store) Redraw(ctx context.Context) error {
	return s.draw(ctx, "INSERT INTO meta (name, value) VALUES ('store', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
}

func (s *Store) draw(ctx context.Context, query string) error {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails
	_, err := s.db.Write.ExecContext(ctx, query, hex.EncodeToString(id))
	return err
}

// TakeOver raises the term and returns it: from now on, writes under an older
// term are refused with ingest.ErrSuperseded.
func (s *Store) TakeOver(ctx context.Context) (int64, error) {
	var n int64
	err := s.db.Write.QueryRowContext(ctx, "UPDATE term SET n = n + 1 RETURNING n").Scan(&n)
	return n, err
}

// Backup writes a copy of the store to a new file while it is in use.
func (s *Store) Backup(ctx context.Context, path string) error { return s.db.BackupTo(ctx, path) }

// askedID returns the row of what was asked, made in tx when it is new.
func (s *Store) askedID(ctx context.Context, tx *sql.Tx, a feedback.Asked, made fresh) (int64, error) {
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
	maps.Copy(s.asked, made.asked)
	maps.Copy(s.sources, made.source)
}
