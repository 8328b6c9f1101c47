package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"sourire/hub/archive"
)

// table reads CSV leniently: a line that is broken costs that line, not those
// after it, and a quote that is never closed does not swallow the file.
type table struct {
	r         *bufio.Reader
	separator byte
	ahead     []string // lines that were read and not used
	line      int      // of the row that was read last, the titles are 1
	next      int      // the number of the next line
	width     int      // cells of the titles
}

// Bounds of a row: how many lines a quoted cell may go on, and how long a line
// may be.
const (
	maxRowLines = 50
	maxRowBytes = 1 << 20
)

// errOpenQuote says that a cell's quote is never closed.
var errOpenQuote = errors.New("a quote is opened and not closed")

func newTable(r io.Reader, separator rune) (*table, []string, error) {
	t := &table{r: bufio.NewReaderSize(r, maxRowBytes), next: 1}
	head, err := t.r.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\ufeff")):
		_, _ = t.r.Discard(3)
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return nil, nil, fmt.Errorf("it is UTF-16: save it as CSV UTF-8")
	}
	first, err := t.pull()
	if errors.Is(err, io.EOF) || strings.TrimSpace(first) == "" && err == nil {
		return nil, nil, fmt.Errorf("it has no line of titles")
	} else if err != nil {
		return nil, nil, err
	}
	if t.separator = byte(separator); separator == 0 {
		if t.separator, err = separatorOf(first); err != nil {
			return nil, nil, err
		}
	}
	t.push(first)
	titles, err := t.row()
	if err != nil {
		return nil, nil, fmt.Errorf("its titles: %w", err)
	}
	t.width = len(titles)
	return t, titles, nil
}

// separatorOf finds the separator that stands most often in the titles.
func separatorOf(titles string) (byte, error) {
	var count [3]int
	quoted := false
	for _, c := range titles {
		switch c {
		case '"':
			quoted = !quoted
		case ',', ';', '\t':
			if !quoted {
				count[strings.IndexRune(",;\t", c)]++
			}
		}
	}
	best, twice := 0, false
	for i := 1; i < len(count); i++ {
		if count[i] > count[best] {
			best, twice = i, false
		} else if count[i] == count[best] && count[i] > 0 {
			twice = true
		}
	}
	if twice {
		return 0, fmt.Errorf("its titles %q do not show what separates columns: say it with --separator", titles)
	}
	return ",;\t"[best], nil
}

// pull returns the next line without its end.
func (t *table) pull() (string, error) {
	t.next++
	if n := len(t.ahead); n > 0 {
		line := t.ahead[0]
		t.ahead = t.ahead[1:]
		return line, nil
	}
	b, err := t.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", fmt.Errorf("line %d is longer than %d bytes: is this CSV?", t.next-1, maxRowBytes)
	}
	if err != nil && (len(b) == 0 || !errors.Is(err, io.EOF)) {
		t.next--
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// push puts lines back.
func (t *table) push(lines ...string) {
	t.ahead = append(append([]string{}, lines...), t.ahead...)
	t.next -= len(lines)
}

// row returns the cells of the next row that is not empty. Its error is io.EOF at
// the end; any other is of this line alone, unless the file cannot be read.
func (t *table) row() ([]string, error) {
	for {
		first, err := t.pull()
		if err != nil {
			return nil, err
		}
		if first == "" {
			continue
		}
		t.line = t.next - 1
		if strings.IndexByte(first, '"') < 0 {
			return utf8Cells(strings.Split(first, string(rune(t.separator)))), nil
		}
		return t.quoted(first)
	}
}

// quoted reads a row with quotes, over several lines if a cell goes on.
func (t *table) quoted(first string) ([]string, error) {
	text := first
	var more []string
	for {
		cells, err := split(text, t.separator)
		if len(more) > 0 && (err != nil && !errors.Is(err, errOpenQuote) || err == nil && t.width > 0 && len(cells) != t.width) {
			// The quote of another row has closed this one: it was meant to
			// be no longer than a line.
			t.push(more...)
			return nil, errOpenQuote
		}
		if !errors.Is(err, errOpenQuote) {
			return utf8Cells(cells), err
		}
		line, pullErr := "", io.EOF
		if len(more) < maxRowLines && len(text) < maxRowBytes {
			line, pullErr = t.pull()
		}
		if pullErr != nil {
			t.push(more...)
			return nil, err
		}
		more = append(more, line)
		text += "\n" + line
	}
}

// split cuts a row with quotes into cells.
func split(s string, separator byte) ([]string, error) {
	var cells []string
	for {
		if s == "" || s[0] != '"' {
			cell, rest, more := strings.Cut(s, string(rune(separator)))
			if strings.IndexByte(cell, '"') >= 0 {
				return nil, fmt.Errorf("a quote stands inside a cell that does not begin with one")
			}
			cells = append(cells, cell)
			if !more {
				return cells, nil
			}
			s = rest
			continue
		}
		var b strings.Builder
		s = s[1:]
		for {
			part, rest, closed := strings.Cut(s, `"`)
			if !closed {
				return nil, errOpenQuote
			}
			b.WriteString(part)
			s = rest
			if s == "" || s[0] != '"' {
				break
			}
			b.WriteByte('"')
			s = s[1:]
		}
		cells = append(cells, b.String())
		if s == "" {
			return cells, nil
		}
		if s[0] != separator {
			return nil, fmt.Errorf("something stands between the end of a quoted cell and the next separator")
		}
		s = s[1:]
	}
}

// utf8Cells returns cells as UTF-8: what is none is taken for Windows-1252, in
// which older spreadsheets write French. An apostrophe that an export has put
// before a formula is taken away.
func utf8Cells(cells []string) []string {
	for i, c := range cells {
		if !utf8.ValidString(c) {
			if d, err := charmap.Windows1252.NewDecoder().String(c); err == nil {
				c = d
			}
		}
		cells[i] = archive.Unquoted(c)
	}
	return cells
}

// columns finds the columns of a mapping among the titles.
type columns struct {
	time             []int
	rating, location int // location is −1 when there is none
	read             []string
	places           []int // of read, in the order of the file
	width            int
}

func (m Mapping) columns(titles []string) (columns, error) {
	c := columns{location: -1, width: len(titles)}
	find := func(what, name string) (int, error) {
		found := -1
		for i, t := range titles {
			if folded(t) != folded(name) {
				continue
			}
			if found >= 0 {
				return 0, fmt.Errorf("the column %q is there twice: rename one", name)
			}
			found = i
		}
		if found < 0 {
			return 0, fmt.Errorf("there is no %s column %q; the columns are %s", what, name, quotedList(titles))
		}
		return found, nil
	}
	for _, name := range m.Time {
		i, err := find("time", name)
		if err != nil {
			return c, err
		}
		c.time = append(c.time, i)
	}
	var err error
	if c.rating, err = find("rating", m.Rating); err != nil {
		return c, err
	}
	if m.Location != "" {
		if c.location, err = find("location", m.Location); err != nil {
			return c, err
		}
	}
	for i, t := range titles {
		for _, j := range append(append([]int{}, c.time...), c.rating, c.location) {
			if i == j {
				c.read = append(c.read, strings.TrimSpace(t))
				c.places = append(c.places, i)
				break
			}
		}
	}
	return c, nil
}

func quotedList(titles []string) string {
	var b strings.Builder
	for i, t := range titles {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", strings.TrimSpace(t))
	}
	return b.String()
}
