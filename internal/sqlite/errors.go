package sqlite

import (
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// ErrDamaged marks a file that is no database or no longer a whole one. Open
// and QuickCheck wrap it; IsDamaged also knows the errors of single statements.
var ErrDamaged = errors.New("the database is damaged")

// code returns the extended result code of SQLite inside err, else 0.
func code(err error) int {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Code()
	}
	return codes.SQLITE_OK
}

// primary returns the result code without its extension (the upper bytes).
func primary(err error) int { return code(err) & 0xff }

// IsFull reports whether err says that the disk, or the database's own limit,
// has no room left. Nothing of the transaction was kept.
func IsFull(err error) bool {
	// The log's index cannot grow for want of space only.
	return primary(err) == codes.SQLITE_FULL || code(err) == codes.SQLITE_IOERR_SHMSIZE
}

// IsBusy reports whether err says that another connection held the lock for
// longer than the busy time-out.
func IsBusy(err error) bool {
	return primary(err) == codes.SQLITE_BUSY || primary(err) == codes.SQLITE_LOCKED
}

// IsConstraint reports whether err says that a row breaks a constraint of the
// schema.
func IsConstraint(err error) bool { return primary(err) == codes.SQLITE_CONSTRAINT }

// IsReadOnly reports whether err says that the file or the connection must not
// be written.
func IsReadOnly(err error) bool { return primary(err) == codes.SQLITE_READONLY }

// IsDamaged reports whether err says that the file is damaged.
func IsDamaged(err error) bool {
	return errors.Is(err, ErrDamaged) ||
		primary(err) == codes.SQLITE_CORRUPT || primary(err) == codes.SQLITE_NOTADB
}

// describe turns an error of opening abs into a sentence that says what to do.
func describe(abs string, err error) error {
	switch {
	case errors.Is(err, ErrDamaged):
		return err
	case IsDamaged(err):
		return fmt.Errorf("%w: %s: set it aside and restore a backup: %w", ErrDamaged, abs, err)
	case IsFull(err):
		return fmt.Errorf("database %s: the disk is full, free some space: %w", abs, err)
	case IsReadOnly(err):
		return fmt.Errorf("database %s: the file or its folder is read-only, make both writable for this user: %w", abs, err)
	case IsBusy(err):
		return fmt.Errorf("database %s: another program is using it, stop that one first: %w", abs, err)
	case primary(err) == codes.SQLITE_CANTOPEN:
		return fmt.Errorf("database %s: it cannot be opened, see that it is a file, that its folder exists and that this user may write there: %w", abs, err)
	}
	return fmt.Errorf("database %s: %w", abs, err)
}
