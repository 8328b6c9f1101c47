package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"sourire/hub/archive"
	"sourire/internal/durable"
)

// refusedFile gathers refused lines beside the file, under a name that nothing
// reads, until the import writes.
type refusedFile struct {
	path  string
	file  *os.File
	w     *bufio.Writer
	table *archive.Table
}

func stageRefused(file string) (*refusedFile, error) {
	path := file + ".refused.csv"
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return nil, fmt.Errorf("refused lines go beside the file: %w", err)
	}
	w := bufio.NewWriter(f)
	return &refusedFile{path: path, file: f, w: w, table: archive.NewTable(w)}, nil
}

func (r *refusedFile) titles(read []string) error {
	return r.table.Row(append(append([]string{}, read...), "line", "reason")...)
}

func (r *refusedFile) add(x Refusal) error {
	return r.table.Row(append(append([]string{}, x.Cells...), strconv.Itoa(x.Line), string(x.Reason)+": "+x.Detail)...)
}

// publish gives the file its name. One that is there already is left alone when
// it says the same, as after an import that was cut short.
func (r *refusedFile) publish() (string, error) {
	if err := r.w.Flush(); err != nil {
		return "", err
	}
	there, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return r.path, durable.Rename(r.file.Name(), r.path)
	} else if err != nil {
		return "", err
	}
	ours, err := os.ReadFile(r.file.Name())
	if err != nil {
		return "", err
	}
	if !bytes.Equal(there, ours) {
		return "", fmt.Errorf("%s is there already and says something else: move it away; nothing was imported", r.path)
	}
	return r.path, nil
}

// drop closes the file, and removes it unless it was published.
func (r *refusedFile) drop() {
	_ = r.file.Close()
	_ = os.Remove(r.file.Name()) // gone already when it was published
}
