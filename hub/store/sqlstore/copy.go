package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	byteorder "encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"sourire/hub/verify"
)

// The names in meta that are a copy's own.
const (
	metaStore      = "store"
	metaIncomplete = "incomplete" // when the copy into this database began, and which it is
	metaManifest   = "backup"     // of a backup, as JSON
)

// Manifest says what a backup holds.
type Manifest struct {
	Store   string           `json:"store"` // the id of the store that it is of
	Term    int64            `json:"term"`
	TakenAt time.Time        `json:"taken_at"`
	Program string           `json:"program"`
	Rows    map[string]int64 `json:"rows"` // by table
}

// Copied is what a copy is, once it is whole.
type Copied struct {
	Store string // its id
	Term  int64
}

// CopyOptions say how a store is copied.
type CopyOptions struct {
	Manifest *Manifest // of a backup, to be completed; it keeps the store's id. nil: the copy gets an id of its own.
	// Progress is told how many rows of all were written, and then read back.
	Progress func(done, total int64)
	// Check looks at both sides, the source as it was copied, before the copy is
	// declared whole.
	Check func(source, copied verify.Store) error
}

// copier is how a database is copied from and into.
type copier interface {
	// shapes is a question for table, column, type, place in the key, and whether
	// the database numbers it.
	shapes() string
	// vacuum writes a copy into an empty file, where the database is one.
	vacuum(ctx context.Context, path string) error
	clear(ctx context.Context, tx *tx, s *shape) error
	// insert writes rows given as one flat list of values.
	insert(ctx context.Context, tx *tx, s *shape, values []any) error
	// settle ends a copy into the database.
	settle(ctx context.Context, tx *tx, shapes []*shape) error
}

// Manifest returns what the store says of itself if it is a backup, else nil.
func (s *Store) Manifest(ctx context.Context) (*Manifest, error) {
	var text string
	err := s.d.reader().QueryRowContext(ctx, "SELECT value FROM meta WHERE name = ?", metaManifest).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var m Manifest
	return &m, json.Unmarshal([]byte(text), &m)
}

// Settle turns a backup into a store that is served: it gets a new id, by which
// kiosks learn that they have to ask, and is a backup no longer.
func (s *Store) Settle(ctx context.Context) (id string, term int64, err error) {
	id = newID()
	err = s.d.update(ctx, func(tx *tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE meta SET value = ? WHERE name = ?", id, metaStore); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM meta WHERE name = ?", metaManifest); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT n FROM term").Scan(&term)
	})
	return id, term, err
}

// spoken asks under which id and term a store was spoken for last.
const spoken = "SELECT value, n FROM meta, term WHERE name = ?"

func newID() string {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id)
}

// IsFile reports whether the store is a SQLite file.
func (s *Store) IsFile() bool { return s.d.file }

// Backup writes one state of the store into the file at path, which must be
// missing or empty, while the store is in use. The file is whole, and says so by
// its manifest, when the error is nil; forcing it to the disk is the caller's.
func (s *Store) Backup(ctx context.Context, path string, m Manifest, progress func(done, total int64)) (Manifest, error) {
	if s.IsFile() {
		if err := s.d.copier.vacuum(ctx, path); err != nil {
			return m, err
		}
	}
	to, err := OpenCopy(ctx, path)
	if err != nil {
		return m, err
	}
	if s.IsFile() {
		err = to.d.update(ctx, func(tx *tx) error { return to.sign(ctx, tx, &m) })
	} else {
		_, err = s.CopyTo(ctx, to, CopyOptions{Manifest: &m, Progress: progress})
	}
	return m, errors.Join(err, to.Close())
}

// sign counts what is there, packed or not, and writes the manifest.
func (s *Store) sign(ctx context.Context, tx *tx, m *Manifest) error {
	shapes, err := readShapes(ctx, tx, s.d.copier.shapes())
	if err != nil {
		return err
	}
	if m.Rows, err = countRows(ctx, tx, shapes); err != nil {
		return err
	}
	var records, visits int64
	if err := tx.QueryRowContext(ctx, "SELECT CAST(coalesce(sum(records), 0) AS BIGINT), CAST(coalesce(sum(rated), 0) AS BIGINT) FROM pack").Scan(&records, &visits); err != nil {
		return err
	}
	m.Rows["record"] += records
	m.Rows["visit"] += visits
	if err := tx.QueryRowContext(ctx, spoken, metaStore).Scan(&m.Store, &m.Term); err != nil {
		return err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return putMeta(ctx, tx, metaManifest, string(text))
}

func countRows(ctx context.Context, tx *tx, shapes map[string]*shape) (map[string]int64, error) {
	out := make(map[string]int64)
	for name := range shapes {
		var n int64
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM "+quoted(name)).Scan(&n); err != nil {
			return nil, fmt.Errorf("count %s: %w", name, err)
		}
		out[name] = n
	}
	return out, nil
}

func putMeta(ctx context.Context, tx *tx, name, value string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
	return err
}

// CopyTo copies one state of the store, all of it, into a store of the other kind
// that nobody has used, or one that was begun. Until every row was read back and
// Check was content that one is marked, and nobody serves it.
func (s *Store) CopyTo(ctx context.Context, to *Store, o CopyOptions) (made Copied, err error) {
	c := &copying{to: to, o: o}
	err = s.journals(ctx, func(from *tx) error {
		c.from = from
		if err := c.plan(ctx, s); err != nil {
			return err
		}
		if err := c.begin(ctx); err != nil {
			return err
		}
		for _, p := range c.pairs {
			if err := c.table(ctx, p); err != nil {
				return fmt.Errorf("copy table %s: %w", p.from.name, err)
			}
		}
		for _, p := range c.pairs {
			if err := c.compare(ctx, p); err != nil {
				return err
			}
		}
		if o.Check != nil {
			if err := o.Check(moment{from}, to); err != nil {
				return err
			}
		}
		return c.end(ctx)
	})
	return c.made, err
}

// moment is a snapshot that is open already.
type moment struct{ tx *tx }

// Snapshot implements verify.Store.
func (m moment) Snapshot(_ context.Context, read func(verify.Reader) error) error {
	return read(snapshot(m))
}

// copying is a copy that is being made.
type copying struct {
	from        *tx
	to          *Store
	o           CopyOptions
	mark        string // of this copy, in meta of the target
	made        Copied
	pairs       []pair
	shapes      []*shape // of the target
	done, total int64
}

// pair is a table on both sides.
type pair struct {
	from, to *shape
	seeds    [2]maphash.Seed
	sum      *sum // of what was written
}

// sum tells rows apart from others, whatever their order.
type sum struct {
	rows   int64
	hashes [2]uint64
}

func (c *copying) plan(ctx context.Context, s *Store) error {
	if s.IsFile() == c.to.IsFile() {
		return errors.New("a store is copied from a file into a database, or back")
	}
	from, err := readShapes(ctx, c.from, s.d.copier.shapes())
	if err != nil {
		return err
	}
	var to map[string]*shape
	err = c.to.d.view(ctx, func(tx *tx) (err error) {
		to, err = readShapes(ctx, tx, c.to.d.copier.shapes())
		return err
	})
	if err != nil {
		return err
	}
	file, other := from, to
	if !s.IsFile() {
		file, other = to, from
	}
	if err := compareShapes(file, other); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(file)) {
		p := pair{from[name], to[name], [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, new(sum)}
		p.from.sort()
		p.to.sort()
		c.pairs, c.shapes = append(c.pairs, p), append(c.shapes, p.to)
		n, err := countRows(ctx, c.from, map[string]*shape{name: p.from})
		if err != nil {
			return err
		}
		c.total += 2 * n[name] // they are read back
	}
	return nil
}

// begin marks the target and empties it, if it holds no store.
func (c *copying) begin(ctx context.Context) error {
	c.mark = time.Now().UTC().Format(time.RFC3339) + " " + newID()
	return c.to.d.update(ctx, func(tx *tx) error {
		begun, err := marked(ctx, tx)
		if err != nil {
			return err
		}
		if !begun {
			if err := c.unused(ctx, tx); err != nil {
				return err
			}
		}
		// Of two that begin at once the second waits here, and overtakes the first.
		if err := putMeta(ctx, tx, metaIncomplete, c.mark); err != nil {
			return err
		}
		for _, s := range c.shapes {
			if err := c.to.d.copier.clear(ctx, tx, s); err != nil {
				return fmt.Errorf("empty table %s: %w", s.name, err)
			}
		}
		c.to.forget()
		return nil
	})
}

// Bounds of what is read at once and written in one transaction.
const (
	copyRows  = 20_000
	copyBytes = 8 << 20
)

// table copies a table: while some rows are written, the next are read.
func (c *copying) table(ctx context.Context, p pair) error {
	g, ctx := errgroup.WithContext(ctx)
	batches := make(chan []any, 1)
	g.Go(func() error {
		defer close(batches)
		return readAll(ctx, c.from, p.from, true, func(values []any) error {
			select {
			case batches <- values:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	g.Go(func() error {
		for values := range batches {
			if err := convert(values, p.to, c.to.d.legible); err != nil {
				return err
			}
			p.add(p.sum, values)
			if err := c.write(ctx, p, values); err != nil {
				return err
			}
			c.progress(len(values) / len(p.to.fields))
		}
		return nil
	})
	return g.Wait()
}

func (c *copying) progress(rows int) {
	c.done += int64(rows)
	if c.o.Progress != nil {
		c.o.Progress(c.done, c.total)
	}
}

func (c *copying) write(ctx context.Context, p pair, values []any) error {
	made := newFresh()
	err := c.to.d.update(ctx, func(tx *tx) error {
		made.clear()
		if err := c.mine(ctx, tx); err != nil {
			return err
		}
		if p.to.name == "record" {
			wide, at := len(p.to.fields), slices.IndexFunc(p.to.fields, func(f field) bool { return f.name == "day" })
			for ; at < len(values); at += wide {
				if err := c.to.room(ctx, tx, values[at].(int64), made); err != nil {
					return err
				}
			}
		}
		return c.to.d.copier.insert(ctx, tx, p.to, values)
	})
	if err == nil {
		c.to.remember(made)
	}
	return err
}

// compare reads a table of the target back.
func (c *copying) compare(ctx context.Context, p pair) error {
	got := new(sum)
	err := c.to.d.view(ctx, func(tx *tx) error {
		return readAll(ctx, tx, p.to, false, func(values []any) error {
			p.add(got, values)
			c.progress(len(values) / len(p.to.fields))
			return nil
		})
	})
	if err == nil && *got != *p.sum {
		err = fmt.Errorf("%d rows were written and %d read back, or others: the copy stays marked as incomplete", p.sum.rows, got.rows)
	}
	if err != nil {
		return fmt.Errorf("read back table %s: %w", p.to.name, err)
	}
	return nil
}

// end gives the target its id and takes the mark away.
func (c *copying) end(ctx context.Context) error {
	return c.to.d.update(ctx, func(tx *tx) error {
		if err := c.mine(ctx, tx); err != nil {
			return err
		}
		rows, err := c.from.QueryContext(ctx, "SELECT name, value FROM meta WHERE name NOT IN (?, ?)", metaIncomplete, metaManifest)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name, value string
			if err := rows.Scan(&name, &value); err != nil {
				return err
			}
			if name == metaStore && c.o.Manifest == nil {
				value = newID()
			}
			if err := putMeta(ctx, tx, name, value); err != nil {
				return err
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		if err := c.to.d.copier.settle(ctx, tx, c.shapes); err != nil {
			return err
		}
		if c.o.Manifest != nil {
			if err := c.to.sign(ctx, tx, c.o.Manifest); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM meta WHERE name = ?", metaIncomplete); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, spoken, metaStore).Scan(&c.made.Store, &c.made.Term)
	})
}

// readAll hands over the rows of a table as flat lists of values.
func readAll(ctx context.Context, tx *tx, s *shape, ordered bool, do func(values []any) error) error {
	rows, err := tx.QueryContext(ctx, s.all(ordered))
	if err != nil {
		return err
	}
	defer rows.Close()
	wide := len(s.fields)
	to := make([]any, wide)
	var values []any
	size := 0
	for rows.Next() {
		if values == nil {
			values = make([]any, 0, wide*1000)
		}
		at := len(values)
		values = append(values, to...) // as many places
		for i := range to {
			to[i] = &values[at+i]
		}
		if err := rows.Scan(to...); err != nil {
			return err
		}
		for _, v := range values[at:] {
			size += sizeOf(v)
		}
		if len(values) == copyRows*wide || size > copyBytes {
			if err := do(values); err != nil {
				return err
			}
			values, size = nil, 0
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(values) == 0 {
		return err
	}
	return do(values)
}

func sizeOf(v any) int {
	switch v := v.(type) {
	case []byte:
		return len(v)
	case string:
		return len(v)
	}
	return 8
}

// convert brings values to what the columns of a table take.
func convert(values []any, s *shape, legible func(string) string) error {
	for i, v := range values {
		f := s.fields[i%len(s.fields)]
		switch v := v.(type) {
		case int64:
			if f.kind == number {
				continue
			}
		case string:
			switch f.kind {
			case text:
				values[i] = legible(v)
				continue
			case binary:
				values[i] = []byte(v)
				continue
			}
		case []byte:
			switch {
			case f.kind == text:
				values[i] = legible(string(v))
				continue
			case f.kind == binary && v == nil:
				values[i] = []byte{}
				continue
			case f.kind == binary:
				continue
			}
		}
		return fmt.Errorf("column %s holds %T, which the other database does not take there", f.name, v)
	}
	return nil
}

// add adds rows to a sum.
func (p pair) add(to *sum, values []any) {
	var row []byte
	wide := len(p.to.fields)
	for ; len(values) > 0; values = values[wide:] {
		row = row[:0]
		for _, v := range values[:wide] {
			switch v := v.(type) {
			case int64:
				row = binary8(row, v)
			case string:
				row = append(binary8(row, int64(len(v))), v...)
			case []byte:
				row = append(binary8(row, int64(len(v))), v...)
			}
		}
		to.rows++
		for i, seed := range p.seeds {
			to.hashes[i] += maphash.Bytes(seed, row)
		}
	}
}

func binary8(to []byte, n int64) []byte { return byteorder.BigEndian.AppendUint64(to, uint64(n)) }
