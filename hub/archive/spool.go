package archive

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// spool keeps the visits of one journal in a file until its last record has said
// when they were.
type spool struct {
	file  *os.File
	w     *bufio.Writer
	row   []byte
	asked []feedback.Asked
	place map[feedback.Asked]int64
	n     int
}

func newSpool(path string) (*spool, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &spool{file: f, w: bufio.NewWriterSize(f, 1<<16), place: make(map[feedback.Asked]int64)}, nil
}

// Bits of a visit in a spool.
const (
	spoolMixed     = 1
	spoolInsistent = 2
)

func (s *spool) add(v visit.Visit) error {
	at, ok := s.place[v.Asked]
	if !ok {
		at = int64(len(s.asked))
		s.place[v.Asked] = at
		s.asked = append(s.asked, v.Asked)
	}
	bits := int64(0)
	if v.Mixed {
		bits |= spoolMixed
	}
	if v.Insistent {
		bits |= spoolInsistent
	}
	s.row = s.row[:0]
	for _, n := range []int64{
		int64(v.Seq), int64(v.Stamp.Boot), v.Stamp.Since, at, int64(v.Rating), int64(v.Presses), bits, int64(v.Aside), v.At, v.Within,
	} {
		s.row = binary.AppendVarint(s.row, n)
	}
	s.n++
	_, err := s.w.Write(s.row)
	return err
}

// each reads all visits back and empties the spool.
func (s *spool) each(do func(visit.Visit) error) error {
	if err := s.w.Flush(); err != nil {
		return err
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r := bufio.NewReaderSize(s.file, 1<<16)
	for range s.n {
		var n [10]int64
		for i := range n {
			var err error
			if n[i], err = binary.ReadVarint(r); err != nil {
				return fmt.Errorf("visits set down for a moment: %w", err)
			}
		}
		err := do(visit.Visit{
			Seq: feedback.Seq(n[0]), Stamp: feedback.Stamp{Boot: feedback.Boot(n[1]), Since: n[2]}, Asked: s.asked[n[3]],
			Rating: int(n[4]), Presses: int(n[5]), Mixed: n[6]&spoolMixed != 0, Insistent: n[6]&spoolInsistent != 0,
			Aside: visit.Aside(n[7]), At: n[8], Within: n[9],
		})
		if err != nil {
			return err
		}
	}
	s.n = 0
	s.asked = s.asked[:0]
	clear(s.place)
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	s.w.Reset(s.file)
	return s.file.Truncate(0)
}

// close ends the spool and removes its file.
func (s *spool) close() error { return errors.Join(s.file.Close(), os.Remove(s.file.Name())) }
