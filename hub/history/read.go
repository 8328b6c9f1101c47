package history

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"sourire/internal/feedback"
)

// row is a rating that was read.
type row struct {
	at     int64 // Unix milliseconds
	line   int64
	within int32 // milliseconds
	rating int16
}

// Reason is why a line is refused, as a heading; details are in the examples.
type Reason string

// The reasons.
const (
	BadLine     Reason = "not a row of the table"
	BadTime     Reason = "the time is not understood"
	SkippedTime Reason = "the time does not exist"
	DoubleTime  Reason = "the time happened twice"
	FarTime     Reason = "the time is not between 2000 and now"
	BadRating   Reason = "the rating is not on the scale"
	BadLocation Reason = "the location is not known"
)

// Refusal is a line that was refused.
type Refusal struct {
	Line   int
	Reason Reason
	Detail string
	Cells  []string // of the columns that are read
}

// source is a place of the file and its rows.
type source struct {
	place Place
	zone  *time.Location
	texts []string // the location texts that mean it
	rows  []row
}

// reading is a file that is read.
type reading struct {
	m       Mapping
	o       Options
	scale   feedback.Scale
	columns columns
	sum     [32]byte
	sources []*source
	by      map[string]*source // by location text
	lines   int64
	refuse  func(Refusal) error
	dropped []string // titles of columns that are not read
}

// scanDates reads the file once: its sum, its titles, and what its dates say of
// the order of day and month.
func (r *reading) scanDates(ctx context.Context, file string) error {
	var seen orderSeen
	example := ""
	sum, err := r.each(ctx, file, func(_ *table, cells []string, bad error) error {
		if bad == nil && len(cells) == r.columns.width {
			cell := cells[r.columns.time[0]]
			open := seen.open
			if seen.note(cell); seen.open && !open {
				example = cell
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.sum = sum
	if r.m.Dates == "" {
		r.m.Dates, err = seen.order(example)
	}
	return err
}

// each calls do for every row after the titles, and returns the file's sum. The
// error that do gets is of the line alone.
func (r *reading) each(ctx context.Context, file string, do func(t *table, cells []string, err error) error) (sum [32]byte, err error) {
	f, err := os.Open(file)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	in := io.TeeReader(bufio.NewReaderSize(f, 1<<16), h)
	t, titles, err := newTable(in, r.m.Separator)
	if err != nil {
		return sum, fmt.Errorf("%s: %w", file, err)
	}
	if r.columns, err = r.m.columns(titles); err != nil {
		return sum, fmt.Errorf("%s: %w", file, err)
	}
	r.dropped = r.dropped[:0]
	for i, title := range titles {
		if !slices.Contains(r.columns.places, i) {
			r.dropped = append(r.dropped, strings.TrimSpace(title))
		}
	}
	for n := 0; ; n++ {
		before := t.next
		cells, err := t.row()
		if errors.Is(err, io.EOF) {
			return [32]byte(h.Sum(nil)), nil
		}
		if err != nil && t.next == before { // the file, not the line
			return sum, fmt.Errorf("%s: %w", file, err)
		}
		if err := do(t, cells, err); err != nil {
			return sum, err
		}
		if n%1000 == 0 && ctx.Err() != nil {
			return sum, ctx.Err()
		}
	}
}

// read reads the rows.
func (r *reading) read(ctx context.Context, file string) error {
	r.by = make(map[string]*source)
	sum, err := r.each(ctx, file, func(t *table, cells []string, err error) error {
		r.lines++
		if r.o.Progress != nil {
			r.o.Progress(1)
		}
		refused := func(reason Reason, detail string) error {
			x := Refusal{Line: t.line, Reason: reason, Detail: detail}
			for _, i := range r.columns.places {
				cell := ""
				if i < len(cells) {
					cell = cells[i]
				}
				x.Cells = append(x.Cells, cell)
			}
			return r.refuse(x)
		}
		if err != nil {
			return refused(BadLine, err.Error())
		}
		if len(cells) != r.columns.width {
			return refused(BadLine, fmt.Sprintf("it has %d cells, the titles have %d", len(cells), r.columns.width))
		}
		src, reason, detail := r.place(cells)
		if src == nil {
			return refused(reason, detail)
		}
		x := row{line: int64(t.line)}
		if reason, detail = r.when(&x, src, cells); reason == "" {
			reason, detail = r.rate(&x, cells[r.columns.rating])
		}
		if reason != "" {
			return refused(reason, detail)
		}
		src.rows = append(src.rows, x)
		return nil
	})
	if err == nil && sum != r.sum {
		err = fmt.Errorf("%s has changed while it was read", file)
	}
	if err != nil {
		return err
	}
	for _, s := range r.sources {
		slices.SortStableFunc(s.rows, func(a, b row) int {
			return int(max(-1, min(1, a.at-b.at)))
		})
	}
	r.sources = slices.DeleteFunc(r.sources, func(s *source) bool { return len(s.rows) == 0 })
	return nil
}

// place finds the source of a row.
func (r *reading) place(cells []string) (*source, Reason, string) {
	text := ""
	if r.columns.location >= 0 {
		text = strings.TrimSpace(cells[r.columns.location])
		if text == "" {
			return nil, BadLocation, "the cell is empty"
		}
	}
	if s, ok := r.by[text]; ok {
		return s, "", ""
	}
	p := Place{Site: r.m.Site, Touchpoint: r.m.Touchpoint}
	switch {
	case r.columns.location < 0:
	case r.m.Places != nil:
		var ok bool
		if p, ok = r.m.Places[folded(text)]; !ok {
			return nil, BadLocation, fmt.Sprintf("%q is not in the location map", text)
		}
	case r.m.Site != "":
		p.Touchpoint = feedback.TouchpointID(slug(text))
	default:
		p.Site = feedback.SiteID(slug(text))
	}
	if p.Site == "" || p.Touchpoint == "" {
		return nil, BadLocation, fmt.Sprintf("no id can be made from %q: give it one in the location map", text)
	}
	for _, s := range r.sources {
		if s.place == p {
			s.texts = append(s.texts, text)
			r.by[text] = s
			return s, "", ""
		}
	}
	s := &source{place: p, zone: r.o.zone(p.Site), texts: []string{text}}
	r.sources = append(r.sources, s)
	r.by[text] = s
	return s, "", ""
}

// earliest is before any press that was counted by a machine.
const earliest = 946_684_800_000 // 2000-01-01, Unix milliseconds

// when reads the time of a row.
func (r *reading) when(x *row, s *source, cells []string) (Reason, string) {
	text := strings.TrimSpace(cells[r.columns.time[0]])
	for _, i := range r.columns.time[1:] {
		text += " " + strings.TrimSpace(cells[i])
	}
	if text == "" {
		return BadTime, "the cell is empty"
	}
	c, err := parseTime(text, r.m.Dates)
	if err != nil {
		return BadTime, fmt.Sprintf("%q: %v", text, err)
	}
	if r.m.Presses && c.within > time.Second {
		return BadTime, fmt.Sprintf("%q: it has no seconds, so it is no raw press", text)
	}
	at, err := c.in(s.zone)
	var of *zoneError
	if errors.As(err, &of) {
		if of.twice {
			return DoubleTime, of.why
		}
		return SkippedTime, of.why
	}
	x.at, x.within = at.UnixMilli(), int32(c.within.Milliseconds())
	if x.at < earliest || at.After(r.o.Now().Add(24*time.Hour)) {
		return FarTime, fmt.Sprintf("%q is %s", text, at.UTC().Format(time.RFC3339))
	}
	return "", ""
}

// rate reads the rating of a row.
func (r *reading) rate(x *row, cell string) (Reason, string) {
	text := strings.TrimSpace(cell)
	if r.m.Ratings != nil {
		n, ok := r.m.Ratings[folded(text)]
		if !ok {
			return BadRating, fmt.Sprintf("%q is not in the rating map", text)
		}
		x.rating = int16(n)
		return "", ""
	}
	whole := strings.TrimRight(strings.Replace(text, ",", ".", 1), "0")
	if strings.HasSuffix(whole, ".") { // 3,0 and 3.00 are 3
		whole = strings.TrimSuffix(whole, ".")
	} else {
		whole = text
	}
	n, err := strconv.Atoi(whole)
	if err != nil || !r.scale.Has(n) {
		return BadRating, fmt.Sprintf("%q; scale %s goes from %d to %d", text, r.scale.ID, r.scale.Lowest, r.scale.Highest())
	}
	x.rating = int16(n)
	return "", ""
}
