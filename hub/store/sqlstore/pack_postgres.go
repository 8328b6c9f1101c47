package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// postgresPacker drops the partitions that packing has emptied.
type postgresPacker struct{ read *sql.DB }

// still locks the months as a question for their records would, but before the
// state is chosen that the transaction sees: else one could be dropped whose
// records that state has not packed yet.
func (p postgresPacker) still(ctx context.Context, tx *tx) error {
	_, err := tx.ExecContext(ctx, "LOCK TABLE record IN ACCESS SHARE MODE")
	return err
}

func (p postgresPacker) vacant(ctx context.Context, before month) ([]month, error) {
	rows, err := p.read.QueryContext(ctx, "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'record'::regclass ORDER BY 1")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var past []month
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		var year, m int
		if n, _ := fmt.Sscanf(name, "record_%d_%d", &year, &m); n != 2 {
			continue // one that somebody else made
		}
		if x := month(year*12 + m - 1); x < before {
			past = append(past, x)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	var empty []month
	for _, m := range past {
		var holds bool
		if err := p.read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM record_"+m.String()+")").Scan(&holds); err != nil {
			return nil, err
		}
		if !holds {
			empty = append(empty, m)
		}
	}
	return empty, nil
}

// drop waits for a moment at most: whoever reads records, a backup for an hour,
// holds the month, and whoever comes meanwhile would wait behind it. It looks
// again, for what it has found before may have come since: nobody can write a
// record meanwhile. The parent is locked first, as by those who read.
func (p postgresPacker) drop(ctx context.Context, tx *tx, m month) error {
	for _, statement := range []string{
		"SET LOCAL lock_timeout = 20", // milliseconds
		"SET LOCAL statement_timeout = 50",
		"LOCK TABLE record IN ACCESS EXCLUSIVE MODE",
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	var holds bool
	if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM record_"+m.String()+")").Scan(&holds); err != nil || holds {
		return err
	}
	_, err := tx.ExecContext(ctx, "DROP TABLE record_"+m.String())
	return err
}

// busy knows SQLSTATE lock_not_available, query_canceled and, where another hub
// has dropped it a moment ago, undefined_table.
func (p postgresPacker) busy(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "55P03" || e.Code == "57014" || e.Code == "42P01")
}
