package archive

import (
	"bytes"
	"io"
	"strings"
)

// Table writes CSV (RFC 4180) in UTF-8 for people's spreadsheets: a cell that a
// spreadsheet would take for a formula is quoted by an apostrophe before it, for
// texts of kiosks and of other people stand in there.
type Table struct {
	w   io.Writer
	row []byte
}

// NewTable returns a table that is written to w.
func NewTable(w io.Writer) *Table { return &Table{w: w} }

// Row writes a line of cells.
func (t *Table) Row(cells ...string) error {
	t.row = t.row[:0]
	for i, c := range cells {
		if i > 0 {
			t.row = append(t.row, ',')
		}
		t.row = appendCell(t.row, c)
	}
	t.row = append(t.row, '\n')
	_, err := t.w.Write(t.row)
	return err
}

// formula are the characters with which a spreadsheet begins to compute.
const formula = "=+-@\t\r"

func appendCell(b []byte, c string) []byte {
	guarded := c != "" && strings.IndexByte(formula, c[0]) >= 0
	quoted := strings.ContainsAny(c, ",\"\r\n")
	if quoted {
		b = append(b, '"')
	}
	if guarded {
		b = append(b, '\'')
	}
	if !quoted {
		return append(b, c...)
	}
	b = append(b, bytes.ReplaceAll([]byte(c), []byte(`"`), []byte(`""`))...)
	return append(b, '"')
}

// Unquoted takes away the apostrophe that Row put before a cell.
func Unquoted(cell string) string {
	if rest, ok := strings.CutPrefix(cell, "'"); ok && rest != "" && strings.IndexByte(formula, rest[0]) >= 0 {
		return rest
	}
	return cell
}
