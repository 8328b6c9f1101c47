// Package sqlite opens SQLite files the one way this product trusts, and is
// the only package that knows which driver does it.
//
// It is mechanism beside the straight line: kiosk/journal keeps its records
// through it, hub/store/sqlstore its rows.
//
// A database has two pools. Write is a single connection whose transactions
// take the write lock when they begin, so a transaction never fails half way
// because another one wrote first. Read holds several connections that SQLite
// itself forbids to write. Readers never wait for the writer, nor the writer
// for them (write-ahead log), but a read transaction that stays open keeps the
// log from being reset: none should last over five seconds, and exports page by
// key instead.
//
// What survives a crash: with Full, every transaction whose commit returned,
// even when the power goes (one fsync a commit). With Normal, a power cut takes
// the latest commits; they are whole or absent, never torn. A killed process
// loses no commit in either.
//
// Options of a connection go through the file: URI, where a misspelt pragma is
// silently ignored; therefore each is read back and a difference refused.
//
// The package must not know any table but its own record of migrations, nor
// why a caller writes.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	driver "modernc.org/sqlite"
)

// Synchronous says what a commit waits for.
type Synchronous int

const (
	// Full makes a commit return only when the disk has it. The zero value.
	Full Synchronous = iota
	// Normal leaves the latest commits to the next checkpoint: a power cut
	// loses them. For data that can be derived again, and for tests that must
	// see a loss.
	Normal
)

// pragma returns the number by which SQLite calls the level.
func (s Synchronous) pragma() string {
	if s == Normal {
		return "1"
	}
	return "2"
}

// Options of a database; the zero value is what a kiosk's journal wants.
type Options struct {
	Synchronous    Synchronous
	BusyTimeout    time.Duration // how long a writer waits for another process; 0 means 5 s
	Readers        int           // connections of the Read pool; 0 means 4
	CacheKiB       int           // page cache of each connection; 0 means 2,000 KiB, SQLite's own
	CheckpointSize int           // pages in the log before it is copied back; 0 means 1,000, SQLite's own
	MustExist      bool          // refuse a missing file rather than create it
	SecureDelete   bool          // overwrite what is deleted with zeros
}

// withDefaults returns o with every zero replaced by what it means.
func (o Options) withDefaults() Options {
	if o.BusyTimeout == 0 {
		o.BusyTimeout = 5 * time.Second
	}
	if o.Readers == 0 {
		o.Readers = 4
	}
	if o.CacheKiB == 0 {
		o.CacheKiB = 2000
	}
	if o.CheckpointSize == 0 {
		o.CheckpointSize = 1000
	}
	return o
}

// DB is an open database. Its methods and both pools may be used by several
// goroutines at once; Close comes after the last of them.
type DB struct {
	Write *sql.DB // one connection; BeginTx takes the write lock at once
	Read  *sql.DB // several connections that cannot write

	path string // absolute
}

// Open opens the file at path and creates it unless o.MustExist. A file that
// is no database, or one whose head is damaged, gives ErrDamaged; damage
// further inside is found by QuickCheck.
func Open(path string, o Options) (*DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	o = o.withDefaults()
	db := &DB{path: abs}
	// The writer comes first: it creates the file and turns the log on, which
	// a reader may not.
	if db.Write, err = openPool(abs, o, writerPragmas(o), "immediate"); err != nil {
		return nil, err
	}
	db.Write.SetMaxOpenConns(1)
	if db.Read, err = openPool(abs, o, readerPragmas(o), ""); err != nil {
		return nil, errors.Join(err, db.Write.Close())
	}
	db.Read.SetMaxOpenConns(o.Readers)
	db.Read.SetMaxIdleConns(o.Readers)
	return db, nil
}

// Path returns the absolute path of the database file.
func (db *DB) Path() string { return db.path }

// Close closes the readers, then the writer, which as the last connection
// copies the log back into the file.
func (db *DB) Close() error {
	if err := errors.Join(db.Read.Close(), db.Write.Close()); err != nil {
		return fmt.Errorf("database %s: close: %w", db.path, err)
	}
	return nil
}

// Update runs do in a write transaction: committed when do returns nil, else
// undone. The transaction is durable (see Synchronous) when Update returns nil.
func (db *DB) Update(ctx context.Context, do func(*sql.Tx) error) error {
	return inTx(ctx, db.Write, do)
}

// View runs do in a read transaction, which sees one state of the database
// throughout. It should not last over five seconds.
func (db *DB) View(ctx context.Context, do func(*sql.Tx) error) error {
	return inTx(ctx, db.Read, do)
}

func inTx(ctx context.Context, pool *sql.DB, do func(*sql.Tx) error) error {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit; what it undoes is reported by do
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// pragma is one setting of a connection: as it is set and as it reads back.
type pragma struct{ name, value, reads string }

func number(name string, n int) pragma {
	return pragma{name, strconv.Itoa(n), strconv.Itoa(n)}
}

// commonPragmas come first in both pools; busy_timeout leads, because those
// after it may have to wait for another process.
func commonPragmas(o Options) []pragma {
	return []pragma{
		number("busy_timeout", int(o.BusyTimeout.Milliseconds())),
		number("cache_size", -o.CacheKiB), // negative: KiB instead of pages
		number("foreign_keys", 1),
	}
}

// writerPragmas keep in memory what undoes a single statement: an INSERT of many
// rows notes every page that it changes, in a file as soon as that is over
// 64 KiB, which was a twentieth of what an insert cost.
func writerPragmas(o Options) []pragma {
	return append(commonPragmas(o),
		pragma{"secure_delete", onOff(o.SecureDelete), onOff(o.SecureDelete)},
		pragma{"temp_store", "memory", "2"},
		pragma{"journal_mode", "wal", "wal"},
		pragma{"synchronous", o.Synchronous.pragma(), o.Synchronous.pragma()},
		number("wal_autocheckpoint", o.CheckpointSize),
	)
}

func onOff(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

func readerPragmas(o Options) []pragma {
	return append(commonPragmas(o), number("query_only", 1))
}

// dataSource returns the file: URI of a connection. The path is escaped, so that
// '?', '#', '%' and spaces belong to the file's name. _dqs=0 refuses a
// misspelt column in double quotes, which SQLite would read as a string;
// _error_rc=1 keeps a stale message out of an error.
func dataSource(abs string, o Options, pragmas []pragma, txLock string) string {
	query := url.Values{"_dqs": {"0"}, "_error_rc": {"1"}}
	if txLock != "" {
		query.Set("_txlock", txLock)
	}
	if o.MustExist {
		query.Set("mode", "rw")
	}
	for _, p := range pragmas {
		query.Add("_pragma", p.name+"("+p.value+")")
	}
	uri := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: query.Encode()}
	return uri.String()
}

// openPool opens a pool and proves on its first connection that the settings
// took effect.
func openPool(abs string, o Options, pragmas []pragma, txLock string) (*sql.DB, error) {
	connector, err := driver.NewConnector(dataSource(abs, o, pragmas, txLock))
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", abs, err)
	}
	pool := sql.OpenDB(connector)
	if err := readBack(pool, pragmas); err != nil {
		return nil, errors.Join(describe(abs, err), pool.Close())
	}
	return pool, nil
}

// readBack compares what the connections have with what they were given.
func readBack(pool *sql.DB, pragmas []pragma) error {
	for _, p := range pragmas {
		var got string
		if err := pool.QueryRow("PRAGMA " + p.name).Scan(&got); err != nil {
			return err
		}
		if !strings.EqualFold(got, p.reads) {
			return fmt.Errorf("%s is %q and must be %q: this file system or this build of SQLite does not give the durability that is needed",
				p.name, got, p.reads)
		}
	}
	return nil
}
