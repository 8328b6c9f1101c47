package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sourire/hub/fleet"
	"sourire/hub/ingest"
	"sourire/internal/feedback"
)

// PutSightings implements fleet.Store.
func (s *Store) PutSightings(ctx context.Context, seen []fleet.Sighting) error {
	return s.putSightings(ctx, seen, func(*tx) error { return nil })
}

// PutSightingsUnder is PutSightings for a hub that may have been superseded: what
// it saw then is old, and is refused with ingest.ErrSuperseded. The term is looked
// at and not locked, for ten thousand sightings must not hold up ingest; one that
// slips through is put right by the kiosk's next health.
func (s *Store) PutSightingsUnder(ctx context.Context, term int64, seen []fleet.Sighting) error {
	return s.putSightings(ctx, seen, func(tx *tx) error {
		var now int64
		if err := tx.QueryRowContext(ctx, "SELECT n FROM term").Scan(&now); err != nil {
			return fmt.Errorf("term: %w", err)
		}
		if now != term {
			return ingest.ErrSuperseded
		}
		return nil
	})
}

func (s *Store) putSightings(ctx context.Context, seen []fleet.Sighting, may func(*tx) error) error {
	// Hubs that write at once take rows in one order, and so do not lock each
	// other out; likewise in Refuse and PutSites.
	seen = slices.SortedFunc(slices.Values(seen), func(a, b fleet.Sighting) int { return cmp.Compare(a.Kiosk, b.Kiosk) })
	return s.d.update(ctx, func(tx *tx) error {
		if err := may(tx); err != nil {
			return err
		}
		for _, k := range seen {
			_, err := tx.ExecContext(ctx, `INSERT INTO kiosk (id, session, online, version, epoch, next, queued, heard_at, last_at)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET session = excluded.session, online = excluded.online,
				version = excluded.version, epoch = excluded.epoch, next = excluded.next, queued = excluded.queued,
				heard_at = excluded.heard_at, last_at = excluded.last_at`,
				k.Kiosk, k.Session, k.Online, legible(k.Version), int64(k.Epoch), k.Next, k.Queued, milli(k.HeardAt), milli(k.LastAt))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Sightings implements fleet.Store.
func (s *Store) Sightings(ctx context.Context) ([]fleet.Sighting, error) {
	rows, err := s.d.reader().QueryContext(ctx, "SELECT id, session, online, version, epoch, next, queued, heard_at, last_at FROM kiosk ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []fleet.Sighting
	for rows.Next() {
		var k fleet.Sighting
		var epoch, heard, last int64
		if err := rows.Scan(&k.Kiosk, &k.Session, &k.Online, &k.Version, &epoch, &k.Next, &k.Queued, &heard, &last); err != nil {
			return nil, err
		}
		k.Epoch, k.HeardAt, k.LastAt = feedback.Epoch(epoch), instant(heard), instant(last)
		out = append(out, k)
	}
	return out, rows.Err()
}

// legible is a text for people that every database takes: PostgreSQL has no place
// for a zero byte, nor for what is no UTF-8.
func legible(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}

// milli writes an instant as Unix milliseconds, the zero Time as 0.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// instant reads what milli wrote.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
