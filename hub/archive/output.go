package archive

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
)

// output is a file of an export while it is written.
type output struct {
	name  string
	file  *os.File
	w     *bufio.Writer
	sum   hash.Hash
	rows  int64
	bytes int64
}

func create(dir, name string) (*output, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &output{name: name, file: f, w: bufio.NewWriterSize(f, 1<<18), sum: sha256.New()}, nil
}

// Write writes bytes of the file.
func (o *output) Write(b []byte) (int, error) {
	o.sum.Write(b)
	o.bytes += int64(len(b))
	return o.w.Write(b)
}

// line writes a value as a line of JSON.
func (o *output) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	o.rows++
	_, err = o.Write(append(b, '\n'))
	return err
}

// end forces the file to the disk and tells what it is.
func (o *output) end() (File, error) {
	if err := errors.Join(o.w.Flush(), o.file.Sync(), o.file.Close()); err != nil {
		return File{}, fmt.Errorf("%s: %w", o.name, err)
	}
	return File{Name: o.name, Rows: o.rows, Bytes: o.bytes, SHA256: hex.EncodeToString(o.sum.Sum(nil))}, nil
}
