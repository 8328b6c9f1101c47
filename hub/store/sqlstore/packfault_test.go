package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/store/storetest"
	"sourire/internal/feedback"
	"sourire/internal/postgrestest"
)

var errStatement = errors.New("this statement failed, as it was told to")

// failing lets the n-th statement of a transaction that writes fail.
type failing struct {
	database
	writer
	left  int // statements; 0: it never fails
	fired bool
}

func (f *failing) fires() bool {
	f.left--
	f.fired = f.fired || f.left == 0
	return f.left == 0
}

func (f *failing) update(ctx context.Context, do func(*tx) error) error {
	return f.database.update(ctx, func(t *tx) error {
		rebind := t.rebind
		t.rebind = func(query string) string {
			if f.fires() {
				return "SELECT nothing FROM nowhere"
			}
			return rebind(query)
		}
		return do(t)
	})
}

func (f *failing) insert(ctx context.Context, tx *tx, t *table, values []any) error {
	if len(values) > 0 && f.fires() {
		return errStatement
	}
	return f.writer.insert(ctx, tx, t, values)
}

// dump returns all rows that packing works on.
func dump(t *testing.T, s *Store) string {
	t.Helper()
	var out []string
	err := s.d.view(t.Context(), func(tx *tx) error {
		for _, query := range []string{
			"SELECT 'record', source, seq, day, body FROM record", "SELECT 'checkpoint', source, seq, day, hash FROM checkpoint",
			"SELECT 'visit', source, seq, at, rating FROM visit", "SELECT 'pack', source, first, last, bodies FROM pack",
			"SELECT 'source', id, through, stored_at, state FROM source", "SELECT 'quarantine', source, seq, at, body FROM quarantine",
		} {
			rows, err := tx.QueryContext(t.Context(), query)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var table string
				var a, b, c int64
				var d any
				if err := rows.Scan(&table, &a, &b, &c, &d); err != nil {
					return err
				}
				out = append(out, fmt.Sprintf("%s %d %d %d %s", table, a, b, c, d))
			}
			if err := rows.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// Whichever statement of packing fails, or of a change that unpacks, everything is
// as it was, and the next attempt succeeds.
func TestPack_everyStatementFails(t *testing.T) {
	file, err := Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	server, err := Dial(t.Context(), postgrestest.Start(t).Database(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Store{"sqlite": file, "postgres": server} {
		t.Run(name, func(t *testing.T) {
			defer s.Close()
			everyStatementFails(t, s)
		})
	}
}

func everyStatementFails(t *testing.T, s *Store) {
	f := &failing{database: s.d.database, writer: s.d.writer}
	s.d.database, s.d.writer = f, f
	now := time.Date(2026, 3, 31, 23, 0, 0, 0, time.UTC)
	g := storetest.Ingester(t, s, func() time.Time { return now })
	k := storetest.NewKiosk(t, g, "k", now)
	k.Asks(now, feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"})
	for i := range 9 {
		k.Press(now.Add(time.Duration(i)*time.Minute), i%3)
		if i == 4 {
			k.Verbatim([]byte(`["press",1,"x"]`))
		}
		if i%3 == 2 {
			k.Send()
		}
	}
	until := func(what string, least int, do func() error) {
		t.Helper()
		before := dump(t, s)
		for n := 1; ; n++ {
			f.left, f.fired = n, false
			err := do()
			f.left = 0
			if !f.fired {
				if err != nil || n <= least {
					t.Errorf("%s: got %v after %d statements", what, err, n-1)
				}
				if dump(t, s) == before {
					t.Errorf("%s: nothing has changed", what)
				}
				return
			}
			if err == nil {
				t.Errorf("%s: statement %d failed and nobody said so", what, n)
			}
			if after := dump(t, s); after != before {
				t.Fatalf("%s: statement %d failed, got\n%s\nwant\n%s", what, n, after, before)
			}
		}
	}
	var term int64
	if err := s.d.reader().QueryRowContext(t.Context(), "SELECT n FROM term").Scan(&term); err != nil {
		t.Fatal(err)
	}
	until("pack", 8, func() error {
		_, n, err := s.Pack(t.Context(), term, ingest.Place{}, ingest.Packing{Before: now.AddDate(0, 2, 0), Records: 1000})
		if err == nil && n != 12 {
			t.Errorf("got %d records packed", n)
		}
		return err
	})
	key := ingest.Key{Kiosk: "k", Epoch: k.Epoch}
	until("unpack", 8, func() error {
		marks, err := s.Marks(t.Context(), []ingest.Key{key})
		if err != nil {
			return err
		}
		visits, err := s.VisitsOfBoots(t.Context(), key, []feedback.Boot{1})
		if err != nil || len(visits) != 9 {
			return fmt.Errorf("got %d visits: %w", len(visits), err)
		}
		c := ingest.Change{Key: key, From: marks[0].Point, To: marks[0].Point, At: now, State: marks[0].State, ReadBy: "v", Gone: visits[:1]}
		errs, err := s.Apply(t.Context(), term, []ingest.Change{c})
		return errors.Join(append(errs, err)...)
	})
	if n := strings.Count(dump(t, s), "record "); n != 12 {
		t.Errorf("got %d records in rows", n)
	}
}
