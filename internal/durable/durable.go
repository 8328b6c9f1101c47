// Package durable keeps a program's data folder and puts single files into it
// so that a power cut leaves either the old content or the new, never a part.
//
// It is mechanism beside the straight line: both programs open their folder
// through it before they open anything inside. Opening proves what the rest
// relies on: one program at a time owns the folder, it lies on a disk of this
// machine (locks and shared memory do not hold over a network), it can be
// written, and what is written can be forced to the disk. Each refusal is a
// sentence that names the folder and what to do.
//
// What survives a crash: a file whose WriteFile or Rename returned nil. A crash
// in between may leave a ".part" file, which nothing reads. The lock is the kernel's and
// goes with the process, however that ends.
//
// In the folder:
//
//	lock     number of the owning process, for people; the lock is flock(2) on it
//	.canary  written and removed when the folder is opened
//
// The package must not know what the files mean.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// WriteFile puts data into the file at path, replacing what was there, and
// returns when the disk has it. Readers see the old content or the new.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return explain(path, err)
	}
	defer os.Remove(file.Name()) // gone already when the rename succeeded
	_, err = file.Write(data)
	if err == nil {
		err = file.Chmod(perm)
	}
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return explain(path, err)
	}
	return rename(file.Name(), path)
}

// Rename forces the file at from to the disk, gives it the name to, replacing
// what was there, and returns when the disk knows it under the new name. Both
// names must lie on one file system.
func Rename(from, to string) error {
	file, err := os.Open(from)
	if err != nil {
		return explain(from, err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return explain(from, err)
	}
	return rename(from, to)
}

// rename moves a file whose content is on the disk.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return explain(to, err)
	}
	if err := syncFolder(filepath.Dir(to)); err != nil {
		return err
	}
	if filepath.Dir(from) == filepath.Dir(to) {
		return nil
	}
	return syncFolder(filepath.Dir(from))
}

// syncFolder makes the names in a folder durable: fsync(2) of a file does not.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return explain(dir, err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return explain(dir, err)
	}
	return nil
}

// explain adds to an error of the file system what a person can do about it.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the disk that holds %s is full, free some space: %w", path, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s lies on a read-only file system, mount it writable or name another folder: %w", path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s cannot be written by this user (number %d), change its owner or name another folder: %w", path, os.Geteuid(), err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s cannot be a folder because a file has its name, move the file or name another folder: %w", path, err)
	}
	return fmt.Errorf("cannot write %s: %w", path, err)
}
