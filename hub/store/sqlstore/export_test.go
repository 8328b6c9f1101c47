package sqlstore

import "context"

// UnpackAll turns all packs back into rows.
func (s *Store) UnpackAll(ctx context.Context) error {
	return s.d.update(ctx, func(tx *tx) error {
		term, err := s.d.term(ctx, tx)
		if err != nil {
			return err
		}
		s.packedSince(term.packing)
		heads, err := packHeads(ctx, tx, "ORDER BY source, first")
		if err != nil {
			return err
		}
		for i := range heads {
			if err := s.unpack(ctx, tx, &heads[i], newFresh()); err != nil {
				return err
			}
		}
		return nil
	})
}

// PackColumn returns a column of the only pack.
func (s *Store) PackColumn(ctx context.Context, column string) (b []byte, err error) {
	err = s.d.reader().QueryRowContext(ctx, "SELECT "+column+" FROM pack").Scan(&b)
	return b, err
}

// Rows counts the rows of a table.
func (s *Store) Rows(ctx context.Context, table string) (n int64, err error) {
	err = s.d.reader().QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&n)
	return n, err
}
