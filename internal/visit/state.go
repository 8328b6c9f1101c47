package visit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"sourire/internal/feedback"
)

// stored is a State as it is stored: rows of numbers, for it is written with
// every batch. With named fields it was 2 KB at a press every three seconds, and
// a tenth of what the hub did for a single press was to write that.
//
// Fields are added, never renamed, and so are numbers at the ends of rows.
type stored struct {
	Asks     [][4]string `json:"asks"`  // site, touchpoint, survey, scale; the others name them by their place
	Asked    int         `json:"asked"` // 1 + its place, 0 for none
	Test     bool        `json:"test"`
	Cleaning bool        `json:"cleaning"`
	Barrier  bool        `json:"barrier"`
	Boots    [][]int64   `json:"boots"` // id, first, last, offset, within, bits
	Tail     [][]int64   `json:"tail"`  // seq, boot, since, asked, rating, presses, bits, aside, at, within
	// Taps of each row of Tail: four numbers each, from the visit's seq and
	// since; none stands for the one that began the visit.
	Taps [][]int64 `json:"taps"`
}

// The bits of rows.
const (
	bitVisits, bitFixed, bitPlaced = 1, 2, 4 // of a boot
	bitMixed, bitInsistent         = 1, 2    // of a visit
)

// MarshalJSON writes the State as it is stored.
func (s State) MarshalJSON() ([]byte, error) {
	var asks []feedback.Asked
	place := func(a feedback.Asked) int64 {
		i := slices.Index(asks, a)
		if i < 0 {
			i, asks = len(asks), append(asks, a)
		}
		return int64(i)
	}
	b := make([]byte, 0, 256+64*len(s.Tail))
	b = append(b, `{"asked":`...)
	if s.Asked != nil {
		b = strconv.AppendInt(b, place(*s.Asked)+1, 10)
	} else {
		b = append(b, '0')
	}
	for _, f := range []struct {
		name string
		on   bool
	}{{`,"test":true`, s.Test}, {`,"cleaning":true`, s.Cleaning}, {`,"barrier":true`, s.Barrier}} {
		if f.on {
			b = append(b, f.name...)
		}
	}
	b = append(b, `,"boots":[`...)
	for i := range s.Boots {
		x := &s.Boots[i]
		b = appendRow(b, int64(x.ID), x.First, x.Last, x.Offset, x.Within,
			bit(x.Visits, bitVisits)|bit(x.Fixed, bitFixed)|bit(x.Placed, bitPlaced))
	}
	b = append(b, `],"tail":[`...)
	for i := range s.Tail {
		v := &s.Tail[i]
		b = appendRow(b, int64(v.Seq), int64(v.Stamp.Boot), v.Stamp.Since, place(v.Asked), int64(v.Rating), int64(v.Presses),
			bit(v.Mixed, bitMixed)|bit(v.Insistent, bitInsistent), int64(v.Aside), v.At, v.Within)
	}
	b = append(b, `],"taps":[`...)
	for i := range s.Tail {
		b = s.Tail[i].appendTaps(b)
	}
	b = append(b, `],"asks":[`...)
	for i, a := range asks {
		if i > 0 {
			b = append(b, ',')
		}
		row, err := json.Marshal([4]string{string(a.Site), string(a.Touchpoint), string(a.Survey), string(a.Scale)})
		if err != nil {
			return nil, err
		}
		b = append(b, row...)
	}
	return append(b, "]}"...), nil
}

func (v *open) appendTaps(b []byte) []byte {
	if len(v.Taps) == 1 && v.Taps[0] == v.first() {
		return appendRow(b)
	}
	row := make([]int64, 0, 4*len(v.Taps))
	for _, x := range v.Taps {
		row = append(row, int64(x.Seq-v.Seq), x.Since-v.Stamp.Since, int64(x.Rating), x.Flow)
	}
	return appendRow(b, row...)
}

// first is the press with which a visit of a button began, if it has no other.
func (v *open) first() tap { return tap{Seq: v.Seq, Since: v.Stamp.Since, Rating: v.Rating} }

func bit(on bool, b int64) int64 {
	if on {
		return b
	}
	return 0
}

// appendRow adds a row to an array of rows.
func appendRow(b []byte, row ...int64) []byte {
	if b[len(b)-1] != '[' {
		b = append(b, ',')
	}
	b = append(b, '[')
	for i, n := range row {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return append(b, ']')
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *State) UnmarshalJSON(b []byte) error {
	var d stored
	if err := json.Unmarshal(b, &d); err != nil {
		return err
	}
	*s = State{Test: d.Test, Cleaning: d.Cleaning, Barrier: d.Barrier}
	asked := func(i int64) (a feedback.Asked, err error) {
		if i < 0 || i >= int64(len(d.Asks)) {
			return a, fmt.Errorf("state: nothing is asked at place %d", i)
		}
		x := d.Asks[i]
		return feedback.Asked{
			Site: feedback.SiteID(x[0]), Touchpoint: feedback.TouchpointID(x[1]),
			Survey: feedback.SurveyID(x[2]), Scale: feedback.ScaleID(x[3]),
		}, nil
	}
	if d.Asked > 0 {
		a, err := asked(int64(d.Asked - 1))
		if err != nil {
			return err
		}
		s.Asked = &a
	}
	for _, r := range d.Boots {
		if len(r) < 6 {
			return fmt.Errorf("state: a boot of %d numbers", len(r))
		}
		s.Boots = append(s.Boots, boot{
			ID: feedback.Boot(r[0]), First: r[1], Last: r[2], Offset: r[3], Within: r[4],
			Visits: r[5]&bitVisits != 0, Fixed: r[5]&bitFixed != 0, Placed: r[5]&bitPlaced != 0,
		})
	}
	for i, r := range d.Tail {
		if len(r) < 10 || i >= len(d.Taps) || len(d.Taps[i])%4 != 0 {
			return fmt.Errorf("state: visit %d is not whole", i)
		}
		a, err := asked(r[3])
		if err != nil {
			return err
		}
		v := open{Visit: Visit{
			Seq: feedback.Seq(r[0]), Stamp: feedback.Stamp{Boot: feedback.Boot(r[1]), Since: r[2]}, Asked: a,
			Rating: int(r[4]), Presses: int(r[5]), Mixed: r[6]&bitMixed != 0, Insistent: r[6]&bitInsistent != 0,
			Aside: Aside(r[7]), At: r[8], Within: r[9],
		}}
		for t := range slices.Chunk(d.Taps[i], 4) {
			v.Taps = append(v.Taps, tap{Seq: v.Seq + feedback.Seq(t[0]), Since: v.Stamp.Since + t[1], Rating: int(t[2]), Flow: t[3]})
		}
		if len(v.Taps) == 0 {
			v.Taps = []tap{v.first()}
		}
		s.Tail = append(s.Tail, v)
	}
	return nil
}
