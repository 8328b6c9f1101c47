package visit_test

import (
	"fmt"
	"strings"
	"testing"

	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// dates writes the instant of each visit and how sure it is.
func dates(visits []visit.Visit) string {
	words := make([]string, len(visits))
	for i, v := range visits {
		switch {
		case !v.Dated():
			words[i] = "undated"
			if v.Aside != visit.Undated || v.Within != 0 {
				words[i] = fmt.Sprintf("%+v", v)
			}
		case v.Aside == visit.Undated:
			words[i] = fmt.Sprintf("%+v", v)
		default:
			words[i] = fmt.Sprintf("%d±%d", v.At, v.Within)
		}
	}
	return strings.Join(words, ", ")
}

func TestState_Step_dating(t *testing.T) {
	const half = "43200000" // 12 h
	tests := []struct{ name, journal, want string }{
		{"never", "100:2", "undated"},
		{"a fix before", "10:fix=5000±40 100:2", "5100±40"},
		{"a fix after", "100:2 200:fix=5000±40", "5100±40"},
		{"a fix between the presses of a visit", "100:2 200:fix=5000±40 300:2", "5100±40"},
		{"a fix long after", "100:2 90000:2 99000:fix=5000±40", "5100±40, 95000±40"},
		{"a second fix halves", "100:2 200:fix=5000±40 300:fix=5010±20", "5110±20"},
		{"a second fix does not quite halve", "100:2 200:fix=5000±41 300:fix=5010±21", "5100±41"},
		{"a second fix is worse", "100:2 200:fix=5000±40 300:fix=9000±90", "5100±40"},
		{"a fix that halves is for later presses too", "200:fix=5000±40 300:fix=5010±20 400:2", "5410±20"},
		{"exactly 12 h", "100:2 200:fix=50000000±" + half, "50000100±" + half},
		{"over 12 h", "100:2 200:fix=50000000±43200001", "undated"},
		{"over 12 h, then better", "100:2 200:fix=50000000±43200001 300:fix=50000000±9", "50000100±9"},
		{"an instant before 1970", "100:2 200:fix=-5000±40", "undated"},
		{"a fix of an unknown boot", "100:2 200:fix9=5000±40", "undated"},
		{"a boot of its own", "100:2 200:fix=5000±40 50:kernel 100:2", "5100±40, undated"},
		{"a fix of the boot before", "100:2 50:kernel 60:2 70:fix1=5000±40", "5100±40, undated"},

		// Boot 1 ends at 5000+1000, boot 3 begins at 20000+10 and boot 2 lasts
		// from 40 to 540: 13,510 ms are free, half of them before it.
		{
			"between two neighbours",
			"100:2 1000:fix=5000±40 40:kernel 140:2 540:note 10:kernel 700:fix=20000±60 800:2",
			"5100±40, 12855±6855, 20800±60",
		},
		{
			"between two neighbours, told by the later one after its press",
			"100:2 1000:fix=5000±40 40:kernel 140:2 540:note 10:kernel 300:2 700:fix=20000±60",
			"5100±40, 12855±6855, 20300±60",
		},
		{
			"two boots between two neighbours",
			"100:2 1000:fix=5000±40 0:kernel 100:2 1000:note 0:kernel 100:2 1000:note 0:kernel 10:fix=20000±60",
			"5100±40, 12100±6100, 13100±6100",
		},
		{
			"the neighbours contradict each other",
			"100:2 1000:fix=5000±40 0:kernel 100:2 9000:note 0:kernel 10:fix=14000±60 20:2",
			"5100±40, undated, 14020±60",
		},
		{
			"no room at all between the neighbours",
			"100:2 1000:fix=5000±40 0:kernel 100:2 9000:note 0:kernel 10:fix=15000±60",
			"5100±40, 6100±100",
		},
		{
			"nothing bounds it from below",
			"100:2 0:kernel 10:fix=20000±60 20:2",
			"undated, 20020±60",
		},
		{
			"a day between the neighbours",
			"100:2 1000:fix=5000±40 0:kernel 100:2 0:kernel 10:fix=86406000±60 20:2",
			"5100±40, undated, 86406020±60",
		},
		{
			"a fix of its own after the neighbours'",
			"100:2 1000:fix=5000±40 0:kernel 100:2 150:fix=10000±9 0:kernel 10:fix=20000±60 20:2",
			"5100±40, 10100±9, 20020±60",
		},
		{
			"a better fix of the boot before, told in between",
			"100:2 1000:fix=5000±40 0:kernel 100:2 200:fix1=5004±10 0:kernel 10:fix=20000±60",
			"5104±10, 13002±6968",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := dates(fold(t, read(t, tt.journal))); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// What is set aside for another reason stays so when its date comes.
func TestState_Step_undatedPrecedence(t *testing.T) {
	tests := []struct{ name, journal, want string }{
		{"a counted visit", "100:2 200:fix=5000±9", "2×1"},
		{"an undated visit", "100:2", "2×1 undated"},
		{"play comes before undated", "0:2 300:1 600:0 900:2 1200:1 1500:0", "2×6 mixed play"},
		{"play that is dated", "0:2 300:1 600:0 900:2 1200:1 1500:0 2000:fix=5000±9", "2×6 mixed play"},
		{"a test without a date", "0:test+ 100:2", "2×1 test"},
		{"a test that is dated", "0:test+ 100:2 200:fix=5000±9", "2×1 test"},
		{"a stuck button without a date", "100:2 10200:stuck@1 10300:fix=5000±9", "2×1 stuck"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := say(fold(t, read(t, tt.journal))); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// A kiosk that starts again and again without a clock must not make the state
// grow without bound, and the boot that bounds the others is kept.
func TestState_Step_manyBoots(t *testing.T) {
	words := "100:2 1000:fix=5000±40 "
	const boots = 300
	for range boots {
		words += "0:kernel 100:2 "
	}
	j := read(t, words)
	var s visit.State
	var e visit.Effects
	longest := 0
	for i, r := range j.records {
		if err := s.Step(feedback.Seq(i+1), r, &e); err != nil {
			t.Fatal(err)
		}
		longest = max(longest, len(encode(t, &s)))
	}
	if longest > 16<<10 {
		t.Errorf("got %d bytes of state, want at most 16 KiB", longest)
	}
	j.boot++
	j.add(10, feedback.ClockFix{Boot: j.boot, Offset: 5_000_000, Uncertainty: 60})
	for _, r := range j.records[len(j.records)-1:] {
		if err := s.Step(feedback.Seq(len(j.records)), r, &e); err != nil {
			t.Fatal(err)
		}
	}
	dated := 0
	for _, c := range e.Changes() {
		if c.After.Dated() {
			dated++
		}
	}
	if dated < 60 || dated >= boots {
		t.Errorf("got %d dated visits, want those of the first boot and of the last sixty or so", dated)
	}
}
