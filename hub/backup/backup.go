// Package backup takes a store along: into one file while the hub runs, out of
// that file again, and from a file into PostgreSQL and back.
//
// It stands beside the line, over hub/store/sqlstore, whose rows it moves, and
// hub/verify, which proves them on both sides. A backup is one SQLite file
// whatever the store is, with a manifest that says of which store and when.
//
// What survives a crash: a file under its own name is whole, for it is written
// under another, FILE.part, forced to the disk and renamed. A FILE.part that nobody
// holds is what a crash left, and the next run removes it. A database into which a
// copy was not finished is marked, and refused by whoever opens it.
//
// The package must not know the layout of the hub's folder, nor settings.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"time"

	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/durable"
	"sourire/internal/migration"
	"sourire/internal/sqlite"
)

// Options say how; the zero value verifies and shows nothing.
type Options struct {
	Program  string // version that makes a backup
	Now      func() time.Time
	NoVerify bool
	// Progress is told what is done at the moment, and how far it is; total is 0
	// where nobody knows.
	Progress func(what string, done, total int64)
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

func (o Options) progress(what string) func(done, total int64) {
	return func(done, total int64) {
		if o.Progress != nil {
			o.Progress(what, done, total)
		}
	}
}

// verify proves a store; total is its records, if they are known.
func (o Options) verify(ctx context.Context, s verify.Store, total int64) (verify.Report, error) {
	show := o.progress("records verified")
	var done int64
	return verify.Run(ctx, s, "", func(more int64) {
		if done += more; done%1000 == 0 || done == total {
			show(done, total)
		}
	})
}

// Taken is a backup that was taken.
type Taken struct {
	sqlstore.Manifest
	Bytes    int64
	Report   verify.Report
	Verified bool
}

// Take writes a backup of a store, which may be in use, to a new file.
func Take(ctx context.Context, s *sqlstore.Store, file string, o Options) (t Taken, err error) {
	p, err := begin(file)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	o.progress("writing the file")(0, 0)
	t.Manifest, err = s.Backup(ctx, p.path, sqlstore.Manifest{TakenAt: o.now().UTC(), Program: o.Program}, o.progress("rows written and read back"))
	if err != nil {
		return t, full(file, err)
	}
	if t.Report, err = prove(ctx, p.path, t.Rows["record"], o); err != nil {
		return t, full(file, err)
	}
	t.Verified = !o.NoVerify
	if t.Bytes, err = p.keep(); err != nil {
		return t, full(file, err)
	}
	return t, nil
}

// prove checks every page of a file, and all that it counts.
func prove(ctx context.Context, path string, records int64, o Options) (r verify.Report, err error) {
	s, err := sqlstore.Open(ctx, path)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.QuickCheck(ctx); err != nil || o.NoVerify {
		return r, err
	}
	return o.verify(ctx, s, records)
}

// full says what to do about a full disk.
func full(file string, err error) error {
	if sqlite.IsFull(err) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the disk that holds %s is full, free some space or name another folder; nothing was kept: %w", file, err)
	}
	return fmt.Errorf("%s: %w", file, err)
}

// part is a file that is written under another name first.
type part struct {
	file, path string
	held       *os.File // its lock is flock(2), which SQLite does not use
}

// begin makes an empty FILE.part that is this process's own.
func begin(file string) (*part, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(abs); err == nil {
		return nil, fmt.Errorf("%s exists already, and nothing is written over it: name another file: %w", abs, fs.ErrExist)
	}
	p := &part{file: abs, path: abs + ".part"}
	if p.held, err = os.OpenFile(p.path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("%s cannot be written, see that its folder exists and that this user may write there: %w", abs, err)
	}
	if err := syscall.Flock(int(p.held.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is being written by another process: %w", p.path, err), p.held.Close())
	}
	// Whoever had it may have renamed it between the two lines above.
	mine, err := p.held.Stat()
	there, e := os.Stat(p.path)
	if err := errors.Join(err, e); err != nil || !os.SameFile(mine, there) {
		return nil, errors.Join(fmt.Errorf("%s was written by another process a moment ago", abs), err, p.held.Close())
	}
	// What an interrupted run left is of no use.
	for _, path := range beside(p.path) {
		_ = os.Remove(path) // a log that cannot go would be found by SQLite
	}
	if err := p.held.Truncate(0); err != nil {
		return nil, errors.Join(err, p.held.Close())
	}
	return p, nil
}

// beside are the files that SQLite keeps beside one.
func beside(path string) []string { return []string{path + "-wal", path + "-shm", path + "-journal"} }

// keep gives the file its name, once the disk has it.
func (p *part) keep() (size int64, err error) {
	if _, err := os.Lstat(p.file); err == nil {
		return 0, fmt.Errorf("it has appeared meanwhile, name another: %w", fs.ErrExist)
	}
	if err := Alone(p.path); err != nil {
		return 0, err
	}
	if err := durable.Rename(p.path, p.file); err != nil {
		return 0, err
	}
	info, err := os.Stat(p.file)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Alone refuses a database, closed by now, whose log still holds a part of it: to
// close one says nothing when the log could not be taken in, as on a full disk, and
// whoever renames the file alone leaves that part behind.
func Alone(path string) error {
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("its log of %d bytes could not be taken into it: %w", info.Size(), syscall.ENOSPC)
	}
	return nil
}

// end removes what was not kept.
func (p *part) end() error {
	for _, path := range append(beside(p.path), p.path) {
		_ = os.Remove(path) // most are not there
	}
	return p.held.Close()
}

// ErrForeign marks a file that is no backup of a hub.
var ErrForeign = errors.New("it is no backup of a hub")

// Unpack checks a backup, which is only read, and writes it to a new file at to
// as a store that this version can open. What the records do not prove is in the
// report.
func Unpack(ctx context.Context, file, to string, o Options) (m *sqlstore.Manifest, r verify.Report, err error) {
	if _, err := os.Stat(file); err != nil {
		return nil, r, fmt.Errorf("there is no backup to read: %w", err)
	}
	o.progress("reading the file")(0, 0)
	if err := sqlite.Extract(ctx, file, to); err != nil {
		if sqlite.IsFull(err) {
			return nil, r, full(to, err)
		}
		if errors.Is(err, sqlite.ErrDamaged) {
			return nil, r, fmt.Errorf("%s is damaged, or no database at all: take another backup: %w", file, err)
		}
		return nil, r, fmt.Errorf("%s: %w", file, err)
	}
	if err := isHub(ctx, to); err != nil {
		return nil, r, fmt.Errorf("%s: %w", file, err)
	}
	s, err := sqlstore.Open(ctx, to)
	switch {
	case errors.Is(err, migration.ErrNewer):
		return nil, r, fmt.Errorf("%s was made by a newer sourire-hub: restore it with that one or a newer: %w", file, migration.ErrNewer)
	case errors.Is(err, migration.ErrChanged):
		return nil, r, fmt.Errorf("%s: %w: %w", file, ErrForeign, migration.ErrChanged)
	case err != nil:
		return nil, r, full(file, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if m, err = s.Manifest(ctx); err != nil || o.NoVerify {
		return m, r, err
	}
	var records int64
	if m != nil {
		records = m.Rows["record"]
	}
	r, err = o.verify(ctx, s, records)
	return m, r, err
}

// isHub refuses a database that is another program's, before anything is begun in it.
func isHub(ctx context.Context, path string) error {
	db, err := sqlite.Open(path, sqlite.Options{MustExist: true})
	if err != nil {
		return err
	}
	defer db.Close() // it was only read
	var n int
	err = db.Read.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('schema_migration', 'meta', 'term', 'source', 'record')").Scan(&n)
	if err == nil && n != 5 {
		return ErrForeign
	}
	return err
}

// Moved is what a copy moved.
type Moved struct {
	Report verify.Report // of both sides, the same
	Rows   int64
	Store  string // id that the copy got
	Term   int64
}

// ErrDiffers says that a copy does not prove what its source proves.
var ErrDiffers = errors.New("the copy does not prove the same as its source, and stays marked as incomplete")

// Move copies all of a store into one of the other kind, which holds none, and
// proves both. The copy gets an id of its own.
func Move(ctx context.Context, from, to *sqlstore.Store, o Options) (m Moved, err error) {
	copying := sqlstore.CopyOptions{Progress: func(done, total int64) {
		m.Rows = total / 2
		o.progress("rows written and read back")(done, total)
	}}
	if !o.NoVerify {
		copying.Check = func(source, copied verify.Store) error {
			var err error
			if m.Report, err = o.verify(ctx, source, 0); err != nil {
				return fmt.Errorf("verify the source: %w", err)
			}
			got, err := o.verify(ctx, copied, 0)
			if err != nil {
				return fmt.Errorf("verify the copy: %w", err)
			}
			if !same(m.Report, got) {
				return ErrDiffers
			}
			return nil
		}
	}
	made, err := from.CopyTo(ctx, to, copying)
	m.Store, m.Term = made.Store, made.Term
	return m, brokenOff(ctx, to, err)
}

// brokenOff says what to do about a database into which a copy was begun. Of one
// whose server is gone it is not known; to do is the same.
func brokenOff(ctx context.Context, to *sqlstore.Store, why error) error {
	if why == nil || to.IsFile() { // which is thrown away
		return why
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second) // ctx may be what broke it off
	defer cancel()
	begun, err := to.Begun(ctx)
	if err == nil && !begun {
		return why
	}
	if err != nil {
		why = fmt.Errorf("the server no longer answers: %w", why)
	}
	return fmt.Errorf("the copy broke off, and no hub serves what it left: run the same sourire-hub copy or restore again, which begins anew: %w", why)
}

// same reports whether two reports say the same. Of problems only the first few
// are spelled out, in no order, so their numbers are compared.
func same(a, b verify.Report) bool {
	if len(a.Findings) != len(b.Findings) || len(a.Problems) != len(b.Problems) || !maps.Equal(a.Cells, b.Cells) {
		return false
	}
	for i, f := range a.Findings {
		g := b.Findings[i]
		if len(f.Problems) != len(g.Problems) {
			return false
		}
		f.Problems, g.Problems = nil, nil
		if !reflect.DeepEqual(f, g) {
			return false
		}
	}
	return true
}

// MoveToFile copies all of a store on PostgreSQL to a new file.
func MoveToFile(ctx context.Context, from *sqlstore.Store, file string, o Options) (m Moved, err error) {
	p, err := begin(file)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	to, err := sqlstore.OpenCopy(ctx, p.path)
	if err != nil {
		return m, full(file, err)
	}
	m, err = Move(ctx, from, to, o)
	if err := errors.Join(err, to.Close()); err != nil {
		return m, full(file, err)
	}
	_, err = p.keep()
	return m, err
}
