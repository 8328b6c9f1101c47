package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// A database that is copied into has a mark in meta, from before the first row
// until after the last check. Here is what it keeps away: hubs, and other copies.

// ErrIncomplete marks a database into which a copy was begun and not finished.
const ErrIncomplete = refusal("a copy into it was begun and not finished, so that presses are missing: let it end if it still works, or run the same sourire-hub copy or restore again, which begins anew")

// ErrNotEmpty marks a database that a hub has served, or that has anything of one
// in it.
const ErrNotEmpty = refusal("there is a hub's store in it already, and nothing is ever written over one: start a hub with it if it is the one you want, or make an empty database and name that")

// errOvertaken ends a copy that another has begun anew, which it must not disturb.
var errOvertaken = errors.New("another copy into the same database was begun meanwhile, and goes on alone")

// Begun reports whether a copy into the store was begun and not finished.
func (s *Store) Begun(ctx context.Context) (bool, error) { return marked(ctx, s.d.reader()) }

// marked reports whether there is the mark of a copy that is not finished.
func marked(ctx context.Context, q querier) (bool, error) {
	var n int
	err := q.QueryRowContext(ctx, "SELECT count(*) FROM meta WHERE name = ?", metaIncomplete).Scan(&n)
	return n > 0, err
}

// raise takes the place of whoever wrote to the store, by a term of its own. A hub
// that opened the store before a copy into it began, and waited, is refused here.
func (s *Store) raise(ctx context.Context, next func(*tx) (int64, error)) (n int64, err error) {
	err = s.d.update(ctx, func(tx *tx) error {
		// First the row of the term, which a copy holds while it sets its mark.
		if n, err = next(tx); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		begun, marks := marked(ctx, tx)
		if begun {
			return ErrIncomplete // in which there may be no term yet
		}
		return errors.Join(err, marks)
	})
	if err != nil {
		return 0, err // a term whose commit failed is nobody's
	}
	return n, nil
}

// whole refuses a store into which a copy was not finished.
func (s *Store) whole(ctx context.Context) error {
	begun, err := s.Begun(ctx)
	if begun {
		return ErrIncomplete
	}
	return err
}

// unused refuses a target that a hub has served, or into which anything was put:
// whatever it is, it would be gone. What an opening leaves is no more than steps of
// the schema, an id and a term that is 0.
func (c *copying) unused(ctx context.Context, tx *tx) error {
	t, err := c.to.d.term(ctx, tx) // and holds it: whoever takes over waits
	if err != nil {
		return fmt.Errorf("term: %w", err)
	}
	if t.n != 0 {
		return fmt.Errorf("%w (a hub has served it, its term is %d)", ErrNotEmpty, t.n)
	}
	for _, s := range c.shapes {
		if s.name == "term" {
			continue
		}
		var used bool
		if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+quoted(s.name)+")").Scan(&used); err != nil {
			return fmt.Errorf("table %s: %w", s.name, err)
		}
		if used {
			return fmt.Errorf("%w (table %s is not empty)", ErrNotEmpty, s.name)
		}
	}
	return nil
}

// mine holds the target for this copy until tx ends, if it is still the one that
// is being made: one that hung, and lost the place that it had, must not write
// among the rows of another.
func (c *copying) mine(ctx context.Context, tx *tx) error {
	still, err := changed(tx.ExecContext(ctx, "UPDATE meta SET value = value WHERE name = ? AND value = ?", metaIncomplete, c.mark))
	if err == nil && !still {
		err = errOvertaken
	}
	return err
}
