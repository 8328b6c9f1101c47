package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"sourire/hub/audit"
)

// putEntry adds a row to the audit log, in the transaction of what it tells.
func putEntry(ctx context.Context, tx *tx, at time.Time, who, what string, was, became any) error {
	var text [2]string
	for i, v := range []any{was, became} {
		if raw, ok := v.(json.RawMessage); v == nil || ok && len(raw) == 0 {
			continue
		}
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		text[i] = string(b)
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO audit (at, who, what, was, became) VALUES (?, ?, ?, ?, ?)",
		at.UnixMilli(), legible(who), what, legible(text[0]), legible(text[1]))
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

// Entries implements audit.Store.
func (s *Store) Entries(ctx context.Context, after int64, most int) ([]audit.Entry, error) {
	rows, err := s.d.reader().QueryContext(ctx, "SELECT id, at, who, what, was, became FROM audit WHERE id > ? ORDER BY id LIMIT ?", after, most)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []audit.Entry
	for rows.Next() {
		var e audit.Entry
		var at int64
		var was, became string
		if err := rows.Scan(&e.ID, &at, &e.Who, &e.What, &was, &became); err != nil {
			return nil, err
		}
		e.At = instant(at)
		if was != "" {
			e.Was = json.RawMessage(was)
		}
		if became != "" {
			e.Became = json.RawMessage(became)
		}
		out = append(out, e)
	}
	return out, rows.Err()
}
