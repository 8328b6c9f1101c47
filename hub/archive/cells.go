package archive

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"sourire/hub/rollup"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// maxCells are held in memory, some 50 MB; then they are sorted and set down.
const maxCells = 100_000

// tally sums visits up in buckets, more than fit into memory: sorted runs in
// files, which are merged in the end.
type tally struct {
	dir   string
	most  int // cells in memory
	cells rollup.Delta
	runs  []string
}

func newTally(dir string) *tally {
	return &tally{dir: dir, most: maxCells, cells: make(rollup.Delta)}
}

func (t *tally) add(v visit.Visit) error {
	t.cells.Add(visit.Change{After: &v})
	if len(t.cells) < t.most {
		return nil
	}
	return t.spill()
}

func compareKeys(a, b rollup.Key) int {
	return cmp.Or(
		cmp.Compare(a.Asked.Site, b.Asked.Site), cmp.Compare(a.Asked.Touchpoint, b.Asked.Touchpoint),
		cmp.Compare(a.Asked.Survey, b.Asked.Survey), cmp.Compare(a.Asked.Scale, b.Asked.Scale), cmp.Compare(a.Bucket, b.Bucket),
	)
}

// spill writes what is in memory as a sorted run.
func (t *tally) spill() error {
	path := filepath.Join(t.dir, fmt.Sprintf("rollups.%d.tmp", len(t.runs)))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	t.runs = append(t.runs, path)
	w := bufio.NewWriterSize(f, 1<<16)
	var row []byte
	for _, k := range slices.SortedFunc(maps.Keys(t.cells), compareKeys) {
		row = appendEntry(row[:0], k, t.cells[k])
		if _, err := w.Write(row); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	clear(t.cells)
	return errors.Join(w.Flush(), f.Close())
}

func appendEntry(b []byte, k rollup.Key, c rollup.Cell) []byte {
	for _, s := range []string{string(k.Asked.Site), string(k.Asked.Touchpoint), string(k.Asked.Survey), string(k.Asked.Scale)} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.AppendVarint(b, int64(k.Bucket))
	for _, n := range counts(&c) {
		b = binary.AppendVarint(b, *n)
	}
	return b
}

// counts are the numbers of a cell, to be written and read.
func counts(c *rollup.Cell) []*int64 {
	out := make([]*int64, 0, len(c.Steps)+len(c.Aside)+4)
	for i := range c.Steps {
		out = append(out, &c.Steps[i])
	}
	for i := range c.Aside {
		out = append(out, &c.Aside[i])
	}
	return append(out, &c.Presses, &c.AsidePresses, &c.Mixed, &c.Insistent)
}

// entry is the next cell of a run.
type entry struct {
	key  rollup.Key
	cell rollup.Cell
	from *bufio.Reader
}

// next reads the cell; its error is io.EOF at the end of the run.
func (e *entry) next() error {
	var text [4]string
	for i := range text {
		n, err := binary.ReadUvarint(e.from)
		if err != nil {
			return err // io.EOF before the first, else io.ErrUnexpectedEOF
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(e.from, b); err != nil {
			return errors.Join(io.ErrUnexpectedEOF, err)
		}
		text[i] = string(b)
	}
	bucket, err := binary.ReadVarint(e.from)
	if err != nil {
		return err
	}
	e.key = rollup.Key{Asked: feedback.Asked{
		Site: feedback.SiteID(text[0]), Touchpoint: feedback.TouchpointID(text[1]),
		Survey: feedback.SurveyID(text[2]), Scale: feedback.ScaleID(text[3]),
	}, Bucket: rollup.Bucket(bucket)}
	for _, n := range counts(&e.cell) {
		if *n, err = binary.ReadVarint(e.from); err != nil {
			return err
		}
	}
	return nil
}

type queue []*entry

// Len is of heap.Interface, as are the others.
func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return compareKeys(q[i].key, q[j].key) < 0 }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*entry)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// each gives all cells in the order of their keys, and removes the runs.
func (t *tally) each(do func(rollup.Key, rollup.Cell) error) (err error) {
	if len(t.runs) == 0 {
		for _, k := range slices.SortedFunc(maps.Keys(t.cells), compareKeys) {
			if err := do(k, t.cells[k]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := t.spill(); err != nil {
		return err
	}
	var q queue
	for _, path := range t.runs {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close(), os.Remove(path)) }()
		e := &entry{from: bufio.NewReaderSize(f, 1<<16)}
		if err := e.next(); errors.Is(err, io.EOF) {
			continue
		} else if err != nil {
			return err
		}
		q = append(q, e)
	}
	return q.merge(do)
}

func (q *queue) merge(do func(rollup.Key, rollup.Cell) error) error {
	heap.Init(q)
	for q.Len() > 0 {
		key := (*q)[0].key
		var sum rollup.Cell
		for q.Len() > 0 && (*q)[0].key == key {
			e := (*q)[0]
			sum = sum.Plus(e.cell)
			if err := e.next(); errors.Is(err, io.EOF) {
				heap.Pop(q)
			} else if err != nil {
				return fmt.Errorf("roll-ups set down for a moment: %w", err)
			} else {
				heap.Fix(q, 0)
			}
		}
		if sum.IsZero() {
			continue
		}
		if err := do(key, sum); err != nil {
			return err
		}
	}
	return nil
}
