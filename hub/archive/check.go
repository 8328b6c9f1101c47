package archive

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"sourire/hub/ingest"
	"sourire/internal/feedback"
)

// A DamagedError says that an export is not what its manifest says.
type DamagedError struct {
	File string
	Why  string
}

// Error names the file and says that nothing was imported.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("the export is damaged: %s: %s; nothing was imported", e.File, e.Why)
}

// opened is an export whose manifest was read.
type opened struct {
	dir      string
	manifest Manifest
	sources  []sourceLine
	// at holds, of some journals, a number whose running hash is wanted, and
	// then the hash.
	wanted map[ingest.Key]feedback.Seq
	found  map[ingest.Key]feedback.Hash
	// closed are the last numbers of what was declared lost because an epoch
	// was over.
	closed map[ingest.Key]feedback.Seq
}

// openExport reads the manifest, and the journals that it tells of.
func openExport(dir string) (*opened, error) {
	a := &opened{dir: dir, closed: make(map[ingest.Key]feedback.Seq)}
	b, err := os.ReadFile(filepath.Join(dir, fileManifest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no export: it has no %s; name a folder that sourire-hub export has written", dir, fileManifest)
	} else if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &a.manifest); err != nil {
		return nil, &DamagedError{fileManifest, err.Error()}
	}
	m := a.manifest
	if m.Format != Format {
		return nil, fmt.Errorf("%s is no export of a Sourire hub: its format is %q, want %q", dir, m.Format, Format)
	}
	if m.Version != Version {
		return nil, fmt.Errorf("%s was written in version %d of the format by %s, this program reads version %d: use a newer one", dir, m.Version, m.Program, Version)
	}
	if len(m.Problems) > 0 {
		return nil, fmt.Errorf("the hub that wrote %s could not prove its own records (%s): sourire-hub verify there says more; nothing was imported", dir, m.Problems[0])
	}
	err = readLines(a, fileSources, func(l *sourceLine) error { a.sources = append(a.sources, *l); return nil })
	if err != nil {
		return nil, err
	}
	return a, readLines(a, fileGaps, func(l *gapLine) error {
		if key := (ingest.Key{Kiosk: l.Kiosk, Epoch: l.Epoch}); l.Why == ingest.GapClosed {
			a.closed[key] = max(a.closed[key], l.Last)
		}
		return nil
	})
}

// file returns what the manifest says of a file.
func (a *opened) file(name string) (File, error) {
	i := slices.IndexFunc(a.manifest.Files, func(f File) bool { return f.Name == name })
	if i < 0 {
		return File{}, &DamagedError{name, "the manifest does not name it"}
	}
	return a.manifest.Files[i], nil
}

// maxLine is the longest line of an export that is read: a record of 64 KiB,
// which no wire lets pass, as base64.
const maxLine = 1 << 20

// scan reads a file line by line and proves it by its sum. What do has seen may be
// of a damaged file until scan returns nil.
func (a *opened) scan(ctx context.Context, name string, do func(line []byte, n int64) error) error {
	want, err := a.file(name)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(a.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return &DamagedError{name, "it is missing"}
	} else if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	r := bufio.NewReaderSize(io.TeeReader(f, sum), maxLine)
	var rows, size int64
	for {
		line, err := r.ReadSlice('\n')
		size += int64(len(line))
		if err != nil && !errors.Is(err, io.EOF) {
			return &DamagedError{name, fmt.Sprintf("line %d: %v", rows+1, err)}
		}
		if len(line) > 0 {
			rows++
			if rows%1000 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if doErr := do(bytes.TrimSuffix(line, []byte("\n")), rows); doErr != nil {
				return doErr
			}
		}
		if err != nil {
			break
		}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); size != want.Bytes || got != want.SHA256 {
		return &DamagedError{name, fmt.Sprintf("its %d bytes have another SHA-256 than the %d of the manifest", size, want.Bytes)}
	}
	return nil
}

// readLines reads a whole file of one type of lines.
func readLines[T any](a *opened, name string, do func(*T) error) error {
	return a.scan(context.Background(), name, func(line []byte, n int64) error {
		var l T
		if err := json.Unmarshal(line, &l); err != nil {
			return &DamagedError{name, fmt.Sprintf("line %d: %v", n, err)}
		}
		return do(&l)
	})
}

// check proves every file by its sum and every journal by its running hash, from
// the first record to the mark, and finds the hashes that are wanted.
func (a *opened) check(ctx context.Context, progress func(int64)) error {
	for _, f := range a.manifest.Files {
		if f.Name == fileRecords {
			continue
		}
		if f.Name != filepath.Base(f.Name) {
			return &DamagedError{fileManifest, fmt.Sprintf("it names the file %q", f.Name)}
		}
		if err := a.sum(ctx, f); err != nil {
			return err
		}
	}
	a.found = make(map[ingest.Key]feedback.Hash)
	c := chain{a: a, next: -1}
	err := a.scan(ctx, fileRecords, func(line []byte, n int64) error {
		var err error
		if err = c.line.parse(line); err == nil {
			err = c.step()
		}
		if err != nil {
			return &DamagedError{fileRecords, fmt.Sprintf("line %d: %v", n, err)}
		}
		if progress != nil {
			progress(1)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.turn(len(a.sources)); err != nil {
		return &DamagedError{fileRecords, err.Error()}
	}
	return nil
}

// sum proves a file by its sum alone.
func (a *opened) sum(ctx context.Context, want File) error {
	f, err := os.Open(filepath.Join(a.dir, want.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return &DamagedError{want.Name, "it is missing"}
	} else if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return err
	}
	if size != want.Bytes || hex.EncodeToString(h.Sum(nil)) != want.SHA256 {
		return &DamagedError{want.Name, fmt.Sprintf("its %d bytes have another SHA-256 than the %d of the manifest", size, want.Bytes)}
	}
	return ctx.Err()
}

// chain follows the journals of records.jsonl, which stand in the order of
// sources.jsonl.
type chain struct {
	a    *opened
	next int // the place of the journal that is read, −1 before the first
	at   ingest.Point
	line recordLine
}

func (c *chain) source() *sourceLine { return &c.a.sources[c.next] }

// turn ends the journal that is read and goes on to the one at a place; those in
// between are empty.
func (c *chain) turn(place int) error {
	for c.next < place {
		if c.next >= 0 {
			if s := c.source(); c.at != (ingest.Point{Through: s.Through, Hash: s.Hash}) {
				return fmt.Errorf("kiosk %s epoch %s ends at record %d with hash %s, its mark says %d with %s",
					s.Kiosk, s.Epoch, c.at.Through, c.at.Hash, s.Through, s.Hash)
			}
		}
		c.next++
		c.at = ingest.Point{}
	}
	return nil
}

// step takes the line.
func (c *chain) step() error {
	l := &c.line
	if c.next < 0 || c.source().key() != l.key() {
		place := c.next + 1
		for place < len(c.a.sources) && c.a.sources[place].key() != l.key() {
			place++
		}
		if place == len(c.a.sources) {
			return fmt.Errorf("kiosk %s epoch %s is not where %s says", l.Kiosk, l.Epoch, fileSources)
		}
		if err := c.turn(place); err != nil {
			return err
		}
	}
	first := l.Seq
	if l.LostFrom > 0 {
		first = l.LostFrom
	}
	if first != c.at.Through+1 {
		return fmt.Errorf("kiosk %s epoch %s: record %d follows record %d", l.Kiosk, l.Epoch, first, c.at.Through)
	}
	if l.LostFrom > 0 {
		c.at = ingest.Point{Through: l.Seq, Hash: *l.Hash}
	} else {
		c.at = ingest.Point{Through: l.Seq, Hash: c.at.Hash.Next(l.body())}
		if l.Hash != nil && *l.Hash != c.at.Hash {
			return fmt.Errorf("kiosk %s epoch %s: the running hash after record %d is %s, not %s", l.Kiosk, l.Epoch, l.Seq, c.at.Hash, *l.Hash)
		}
	}
	if c.a.wanted[l.key()] == l.Seq {
		c.a.found[l.key()] = c.at.Hash
	}
	return nil
}
