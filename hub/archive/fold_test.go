package archive

import (
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sourire/hub/rollup"
	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// records draws a journal of many boots, with offsets that are told late, told
// better, or told of a boot that is long over.
func records(t *rapid.T) []feedback.Record {
	out := []feedback.Record{{Stamp: feedback.Stamp{Boot: 1}, Fact: feedback.PlanApplied{
		Plan: feedback.NewPlanID(nil), Asked: feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"},
	}}}
	at := feedback.Stamp{Boot: 1}
	for range rapid.IntRange(0, 300).Draw(t, "records") {
		at.Since += rapid.OneOf(rapid.Int64Range(0, 900), rapid.Int64Range(0, 60_000)).Draw(t, "gap")
		var fact feedback.Fact
		switch rapid.IntRange(0, 19).Draw(t, "kind") {
		default:
			fact = feedback.Press{Rating: rapid.IntRange(0, 2).Draw(t, "rating"), Flow: rapid.Int64Range(0, 1).Draw(t, "flow")}
		case 0, 1:
			at = feedback.Stamp{Boot: max(1, at.Boot+feedback.Boot(rapid.IntRange(-2, 2).Draw(t, "boot")))}
			fact = feedback.BootBegan{}
		case 2, 3, 4:
			fact = feedback.ClockFix{
				Boot:   max(1, at.Boot+feedback.Boot(rapid.IntRange(-2, 0).Draw(t, "of"))),
				Offset: 1_700_000_000_000 + int64(at.Boot)*86_400_000 + rapid.Int64Range(0, 50_000).Draw(t, "offset"), Uncertainty: rapid.SampledFrom([]int64{0, 10, 4000, 50_000_000}).Draw(t, "uncertainty"),
			}
		case 5:
			fact = feedback.Stuck{Press: feedback.Seq(rapid.IntRange(1, len(out)+1).Draw(t, "press"))}
		case 6:
			fact = feedback.Test{On: rapid.Bool().Draw(t, "on")}
		}
		out = append(out, feedback.Record{Stamp: at, Fact: fact})
	}
	return out
}

// The visits that are let go early are those of a fold in one piece.
func TestFolder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rs := records(rt)
		sp, err := newSpool(filepath.Join(t.TempDir(), "spool"))
		if err != nil {
			rt.Fatal(err)
		}
		f := newFolder(sp.add)
		f.every = rapid.IntRange(1, 40).Draw(rt, "every")
		var s visit.State
		var e visit.Effects
		for i, r := range rs {
			seq := feedback.Seq(i + 1)
			if _, bad, err := f.row(Row{Seq: seq, Body: wire.AppendRecord(nil, r)}); bad != nil || err != nil {
				rt.Fatal(bad, err)
			}
			if err := s.Step(seq, r, &e); err != nil {
				rt.Fatal(err)
			}
		}
		if err := f.end(); err != nil {
			rt.Fatal(err)
		}
		var got, want []visit.Visit
		if err := sp.each(func(v visit.Visit) error { got = append(got, f.dated(v)); return nil }); err != nil {
			rt.Fatal(err)
		}
		for _, c := range e.Changes() {
			want = append(want, *c.After)
		}
		if !slices.Equal(got, want) {
			rt.Errorf("got %+v, want %+v", got, want)
		}
		if err := sp.close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// Sums that do not fit into memory are those that do.
func TestTally(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sum := newTally(t.TempDir())
		sum.most = rapid.IntRange(1, 8).Draw(rt, "most")
		want := make(rollup.Delta)
		for range rapid.IntRange(0, 60).Draw(rt, "visits") {
			v := visit.Visit{
				Asked:  feedback.Asked{Site: feedback.SiteID(rapid.SampledFrom([]string{"a", "b", "a-b"}).Draw(rt, "site")), Touchpoint: "exit", Survey: "visit", Scale: "smiley3"},
				Rating: rapid.IntRange(0, 2).Draw(rt, "rating"), Presses: rapid.IntRange(1, 3).Draw(rt, "presses"),
				Aside: visit.Aside(rapid.IntRange(0, int(visit.Asides)-1).Draw(rt, "aside")), At: rapid.Int64Range(0, 6).Draw(rt, "at") * 900_000,
			}
			want.Add(visit.Change{After: &v})
			if err := sum.add(v); err != nil {
				rt.Fatal(err)
			}
		}
		var last *rollup.Key
		err := sum.each(func(k rollup.Key, c rollup.Cell) error {
			if last != nil && compareKeys(*last, k) >= 0 {
				rt.Errorf("%v comes after %v", k, *last)
			}
			last = &k
			if want[k] != c {
				rt.Errorf("%v: got %+v, want %+v", k, c, want[k])
			}
			delete(want, k)
			return nil
		})
		if err != nil || len(want) > 0 {
			rt.Errorf("%v, and these are missing: %v", err, want)
		}
		if left, _ := filepath.Glob(filepath.Join(sum.dir, "*")); len(left) > 0 {
			rt.Errorf("left behind: %v", left)
		}
	})
}

// A line is read as what was written, by the fast way as by the general one.
func TestRecordLine(t *testing.T) {
	hash := feedback.Hash{1, 2, 3}
	for _, body := range []string{`["press",1,2,0,80]`, `[ "from-later", 1,2 , {"é":"\u00e9"}]`, `null`, `{"a":1}`, "[1,\n2]", "[\"\xff\"]", "", ` [1]`, `[1]x]`} {
		for _, l := range []recordLine{{Kiosk: "k1", Epoch: 1, Seq: 3, Day: "2026-03-29"}, {Kiosk: "k1", Epoch: 1 << 63, Seq: 500, Day: "2026-03-29", Bad: `no "sense"`, Hash: &hash}} {
			line := l.append(nil, []byte(body))
			var got recordLine
			if err := got.parse(line[:len(line)-1]); err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			if string(got.body()) != body || got.body() == nil || got.Kiosk != l.Kiosk || got.Epoch != l.Epoch || got.Seq != l.Seq || got.Bad != l.Bad || (got.Hash == nil) != (l.Hash == nil) {
				t.Errorf("%s: got %+v", line, got)
			}
		}
	}
	var got recordLine
	l := recordLine{Kiosk: "k1", Epoch: 1, Seq: 9, Day: "2026-03-29", Hash: &hash, LostFrom: 4, Why: "pruned"}
	if line := l.append(nil, nil); got.parse(line[:len(line)-1]) != nil || got.body() != nil || got.LostFrom != 4 || *got.Hash != hash {
		t.Errorf("%s: got %+v", line, got)
	}
	for _, bad := range []string{"", "{}", `{"kiosk":"K","epoch":"0000000000000001","seq":1,"day":"2026-03-29","record":[1]}`, `{"kiosk":"k1","epoch":"0000000000000001","seq":0,"record":[]}`, `{"kiosk":"k1","epoch":"0000000000000001","seq":3,"lost_from":2}`} {
		if err := new(recordLine).parse([]byte(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestTable(t *testing.T) {
	for cell, want := range map[string]string{
		"plain": "plain", "": "", "=1+1": "'=1+1", "+1": "'+1", "-till": "'-till", "@sum": "'@sum", "\tx": "'\tx",
		`say "a, b"`: `"say ""a, b"""`, "=a,b": `"'=a,b"`, "two\nlines": "\"two\nlines\"", "a=b": "a=b",
	} {
		if got := string(appendCell(nil, cell)); got != want {
			t.Errorf("%q: got %q, want %q", cell, got, want)
		}
	}
	for _, cell := range []string{"=1+1", "'quoted'", "'", "", "x", "'=1"} {
		if got := string(appendCell(nil, cell)); cell != "'=1" && Unquoted(got) != cell {
			t.Errorf("%q came back as %q", cell, Unquoted(got))
		}
	}
}
