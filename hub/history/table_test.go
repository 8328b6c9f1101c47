package history

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What a spreadsheet writes is read as it was, and a broken line among it costs
// no other line.
func TestTable(t *testing.T) {
	cell := rapid.SampledFrom([]string{"", "x", "a,b", "a;b", "tab\there", `say "hello"`, `"`, "two\nlines", "é", " spaces "})
	rapid.Check(t, func(rt *rapid.T) {
		separator := rapid.SampledFrom([]rune{',', ';', '\t'}).Draw(rt, "separator")
		var b strings.Builder
		w := csv.NewWriter(&b)
		w.Comma, w.UseCRLF = separator, rapid.Bool().Draw(rt, "CRLF")
		want := [][]string{{"t", "r", "p"}}
		_ = w.Write(want[0])
		broken := 0
		for range rapid.IntRange(0, 20).Draw(rt, "rows") {
			if rapid.IntRange(0, 4).Draw(rt, "broken") == 0 {
				w.Flush()
				b.WriteString(rapid.SampledFrom([]string{`"open`, `x"y`, `"x"y`}).Draw(rt, "how") + "\n")
				broken++
				continue
			}
			row := []string{"row", cell.Draw(rt, "cell"), cell.Draw(rt, "cell")}
			want = append(want, row)
			_ = w.Write(row)
		}
		w.Flush()
		in, got, err := newTable(strings.NewReader(b.String()), 0)
		if err != nil {
			rt.Fatal(err)
		}
		rows := [][]string{got}
		bad := 0
		for {
			row, err := in.row()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || len(row) != 3 {
				bad++
				continue
			}
			rows = append(rows, row)
		}
		if bad != broken || !slices.EqualFunc(rows, want, slices.Equal[[]string]) {
			rt.Errorf("got %d bad lines and %q, want %d and %q, of\n%s", bad, rows, broken, want, b.String())
		}
	})
}
