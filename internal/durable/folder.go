package durable

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrLocked marks a folder that another program owns.
var ErrLocked = errors.New("the folder is in use")

// ErrRemote marks a folder whose file system cannot hold a database: a network
// file system, or one that another program serves.
var ErrRemote = errors.New("the folder is not on a disk of this machine")

const (
	// openBytes must fit when a folder is opened: room for a database to start
	// and say the rest itself.
	openBytes = 1 << 20
	// probeBytes is one page: a figure a minute must not wear a memory card.
	probeBytes = 4 << 10
)

// Folder is a data folder that this process owns until Close.
type Folder struct {
	dir  string // absolute
	lock *FileLock
}

// Open creates the folder with mode 0700 when it is missing, takes its lock and
// proves that it keeps what is written. It refuses with ErrLocked or ErrRemote,
// and with a sentence when the folder is read-only or its disk is full.
func Open(dir string) (*Folder, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", dir, err)
	}
	if err := create(abs); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := checkLocal(abs); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	lock, err := Lock(abs)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	folder := &Folder{dir: abs, lock: lock}
	if _, err := folder.probe(openBytes); err != nil {
		return nil, errors.Join(fmt.Errorf("data folder: %w", err), lock.Close())
	}
	return folder, nil
}

// create makes the folder and its parents, and makes its name durable.
func create(abs string) error {
	if info, err := os.Stat(abs); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return explain(abs, err)
	}
	return syncFolder(filepath.Dir(abs))
}

// Path returns the path of something inside the folder; without elements, of
// the folder itself. It is absolute.
func (f *Folder) Path(elem ...string) string {
	return filepath.Join(append([]string{f.dir}, elem...)...)
}

// Probe writes one page, forces it to the disk and returns how long that took:
// a disk that is about to fail becomes slow first.
func (f *Folder) Probe() (time.Duration, error) { return f.probe(probeBytes) }

func (f *Folder) probe(size int) (time.Duration, error) {
	path := f.Path(".canary")
	begin := time.Now()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, explain(f.dir, err)
	}
	_, err = file.Write(bytes.Repeat([]byte("canary"), size/6+1))
	if err == nil {
		err = file.Sync()
	}
	took := time.Since(begin)
	if err := errors.Join(err, file.Close(), os.Remove(path)); err != nil {
		return 0, explain(f.dir, err)
	}
	return took, nil
}

// Close gives the folder up. Whatever was open inside must be closed before.
func (f *Folder) Close() error { return f.lock.Close() }

// FileLock is the ownership of a folder. The kernel drops it when the process
// ends, so a crash leaves no stale lock.
type FileLock struct{ file *os.File }

// Lock takes the lock of the folder without waiting. It refuses with ErrLocked
// while another Lock of the same folder is held, in this process or another.
func Lock(dir string) (*FileLock, error) {
	path := filepath.Join(dir, "lock")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, explain(dir, err)
	}
	if err := lockFile(file); err != nil {
		owner, _ := os.ReadFile(path) // only for the sentence
		return nil, errors.Join(refuse(dir, strings.TrimSpace(string(owner)), err), file.Close())
	}
	if err := sign(file); err != nil {
		return nil, errors.Join(explain(dir, err), file.Close())
	}
	return &FileLock{file}, nil
}

func refuse(dir, owner string, err error) error {
	if !errors.Is(err, ErrLocked) {
		return fmt.Errorf("cannot lock %s: %w", dir, err)
	}
	if owner != "" {
		owner = " with number " + owner
	}
	return fmt.Errorf("%w: the process%s has %s, stop it or give this one a folder of its own", ErrLocked, owner, dir)
}

// sign writes this process's number into the lock file, for people.
func sign(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := fmt.Fprintf(file, "%d\n", os.Getpid())
	return err
}

// Close drops the lock. The file stays: removing it would let two processes
// lock two files of the same name.
func (l *FileLock) Close() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("unlock %s: %w", l.file.Name(), err)
	}
	return nil
}
