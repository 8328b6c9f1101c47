package sqlstore

import (
	"bytes"
	"compress/flate"
	varint "encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"sourire/internal/feedback"
)

// packHead is what the row of a pack says beside its two blobs.
type packHead struct {
	source      int64
	first, last feedback.Seq  // a stretch of the journal, whole batches
	before      feedback.Hash // the running hash in front of first
	hash        feedback.Hash // and after last
	records     int64         // in it: those in quarantine are not
	visits      int64         // whose first press lies in the stretch
	// Days of storing, all in one month, and boots of its visits: 1 to 0 when
	// there is none.
	firstDay, lastDay   int64
	firstBoot, lastBoot int64
	asked               []byte // numbers of what its visits answer, as varints
}

// packed is what a pack holds.
type packed struct {
	packHead
	batches []batch  // their ends and days; hashes are not kept but computed
	bodies  [][]byte // of first to last, nil where the record is in quarantine
	rated   []visitRow
}

// visitRow is a row of the table visit, without its source.
type visitRow struct {
	seq, boot, since, asked, rating, presses, marks, aside, at, within int64
}

// packFormat is the first byte of both blobs.
const packFormat = 1

// bodiesBlob returns the records: the ends of the batches and their days, the
// length of each record (from 1; 0 is one in quarantine), and all bodies.
func (p *packed) bodiesBlob() ([]byte, error) {
	b := varint.AppendUvarint(nil, uint64(len(p.batches)))
	through, day := p.first-1, int64(0)
	for _, x := range p.batches {
		b = varint.AppendVarint(varint.AppendVarint(b, int64(x.through-through)), x.day-day)
		through, day = x.through, x.day
	}
	for _, body := range p.bodies {
		if body == nil {
			b = append(b, 0)
			continue
		}
		b = varint.AppendUvarint(b, uint64(len(body))+1)
	}
	for _, body := range p.bodies {
		b = append(b, body...)
	}
	return p.seal("bodies", b)
}

// visitsBlob returns the visits, column by column, each value as its difference
// to the one before.
func (p *packed) visitsBlob() ([]byte, error) {
	b := varint.AppendUvarint(nil, uint64(len(p.rated)))
	for _, column := range visitColumnsOf {
		was := int64(0)
		for i := range p.rated {
			n := column.get(&p.rated[i])
			b = varint.AppendVarint(b, n-was)
			was = n
		}
	}
	return p.seal("visits", b)
}

// visitColumn is a column of the visits of a pack.
type visitColumn struct {
	get func(*visitRow) int64
	set func(*visitRow, int64)
}

// visitColumnsOf are the columns in their order. The instant of a visit is kept as
// its offset to the clock of its boot, which rarely changes; that of one without
// a date is 0, whose marks have a bit more.
var visitColumnsOf = []visitColumn{
	{func(v *visitRow) int64 { return v.seq }, func(v *visitRow, n int64) { v.seq = n }},
	{func(v *visitRow) int64 { return v.boot }, func(v *visitRow, n int64) { v.boot = n }},
	{func(v *visitRow) int64 { return v.since }, func(v *visitRow, n int64) { v.since = n }},
	{func(v *visitRow) int64 { return v.asked }, func(v *visitRow, n int64) { v.asked = n }},
	{func(v *visitRow) int64 { return v.rating }, func(v *visitRow, n int64) { v.rating = n }},
	{func(v *visitRow) int64 { return v.presses }, func(v *visitRow, n int64) { v.presses = n }},
	{func(v *visitRow) int64 { return v.marks }, func(v *visitRow, n int64) { v.marks = n }},
	{func(v *visitRow) int64 { return v.aside }, func(v *visitRow, n int64) { v.aside = n }},
	{func(v *visitRow) int64 { return v.at - v.since }, func(v *visitRow, n int64) { v.at = n + v.since }},
	{func(v *visitRow) int64 { return v.within }, func(v *visitRow, n int64) { v.within = n }},
}

// seal compresses a blob and closes it with a checksum over it and the head.
func (h *packHead) seal(name string, b []byte) ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte(packFormat)
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return varint.BigEndian.AppendUint32(out.Bytes(), h.sum(name, out.Bytes())), nil
}

// open returns what was sealed.
func (h *packHead) open(name string, blob []byte) ([]byte, error) {
	if len(blob) < 5 || varint.BigEndian.Uint32(blob[len(blob)-4:]) != h.sum(name, blob[:len(blob)-4]) {
		return nil, errors.New("its checksum does not agree")
	}
	if blob[0] != packFormat {
		return nil, fmt.Errorf("it is of format %d, which a later version of this program wrote", blob[0])
	}
	b, err := io.ReadAll(flate.NewReader(bytes.NewReader(blob[1 : len(blob)-4])))
	if err != nil {
		return nil, fmt.Errorf("it cannot be decompressed: %w", err)
	}
	return b, nil
}

// sum is the checksum of a blob and of the head.
func (h *packHead) sum(name string, blob []byte) uint32 {
	c := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	_ = varint.Write(c, varint.BigEndian, []int64{
		h.source, int64(h.first), int64(h.last), h.records, h.visits, h.firstDay, h.lastDay, h.firstBoot, h.lastBoot,
	})
	for _, b := range [][]byte{h.before[:], h.hash[:], h.asked, []byte(name), blob} {
		_, _ = c.Write(b)
	}
	return c.Sum32()
}

// errPackShort says that a blob ends before what it holds does.
var errPackShort = errors.New("it ends too early")

// cursor reads numbers from a blob.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) varint() int64 {
	v, n := varint.Varint(c.b)
	return take(c, v, n)
}

func (c *cursor) uvarint() uint64 {
	v, n := varint.Uvarint(c.b)
	return take(c, v, n)
}

func take[T int64 | uint64](c *cursor, v T, n int) T {
	if n <= 0 {
		c.b, c.err = nil, errPackShort
		return 0
	}
	c.b = c.b[n:]
	return v
}

// count reads how many of something follow, of which each takes a byte at least.
func (c *cursor) count() int {
	n := c.uvarint()
	if n > uint64(len(c.b)) {
		c.b, c.err = nil, errPackShort
		return 0
	}
	return int(n)
}

// readBodies takes the records out of their blob.
func (p *packed) readBodies(blob []byte) error {
	b, err := p.open("bodies", blob)
	if err != nil {
		return err
	}
	c := &cursor{b: b}
	p.batches = make([]batch, c.count())
	through, day := p.first-1, int64(0)
	for i := range p.batches {
		through += feedback.Seq(c.varint())
		day += c.varint()
		p.batches[i] = batch{through: through, day: day}
	}
	n := int64(p.last - p.first + 1)
	if through != p.last || n < 0 || n > int64(len(c.b)) {
		return errPackShort
	}
	lengths := make([]uint64, n)
	for i := range lengths {
		lengths[i] = c.uvarint()
	}
	p.bodies = make([][]byte, n)
	for i, l := range lengths {
		if l == 0 {
			continue
		}
		if c.err != nil || l-1 > uint64(len(c.b)) {
			return errPackShort
		}
		p.bodies[i], c.b = c.b[:l-1:l-1], c.b[l-1:]
	}
	return c.err
}

// readVisits takes the visits out of their blob.
func (p *packed) readVisits(blob []byte) error {
	b, err := p.open("visits", blob)
	if err != nil {
		return err
	}
	c := &cursor{b: b}
	p.rated = make([]visitRow, c.count())
	for _, column := range visitColumnsOf {
		n := int64(0)
		for i := range p.rated {
			n += c.varint()
			column.set(&p.rated[i], n)
		}
	}
	if c.err == nil && int64(len(p.rated)) != p.visits {
		c.err = errPackShort
	}
	return c.err
}
