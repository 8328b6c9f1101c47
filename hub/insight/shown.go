package insight

import (
	"context"
	"encoding/json"
	"fmt"

	"sourire/hub/kpi"
	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/internal/feedback"
)

// shownBody is the body of a Snapshot, as JSON. Fields are added, never
// renamed.
type shownBody struct {
	Moments []shownMoment `json:"moments"`
}

type shownMoment struct {
	Asked feedback.Asked `json:"asked"`
	Cell  rollup.Cell    `json:"cell"`
}

// tries is how often a reader moves figures on that other readers move too.
const tries = 3

// show returns the cells to show for the last day of a question that was answered
// by a, if that day is still going on, moved on if they may move; trouble says why
// that failed. When other readers move them too, it asks again.
func (in *Insight) show(ctx context.Context, s site.Site, q Question, a Answer) (_ Answer, shown map[feedback.Asked]rollup.Cell, trouble, err error) {
	if q.Shown == "" {
		return a, nil, nil, nil
	}
	for try := range tries {
		if try > 0 {
			again, err := in.store.Read(ctx, q)
			if err != nil {
				return a, nil, nil, fmt.Errorf("roll-ups: %w", err)
			}
			a = again[0]
		}
		next, before, after, err := in.next(s, q, a)
		if err != nil {
			return a, nil, nil, err
		}
		if next == nil {
			return a, before, nil, nil
		}
		done, err := in.store.Publish(ctx, *next)
		if err != nil {
			return a, before, fmt.Errorf("figures of %s: %w", s.ID, err), nil
		}
		if done[0] {
			a.Shown = next.Snapshot
			return a, after, nil, nil
		}
		shown = before
	}
	return a, shown, nil, nil // others moved them each time; this is what they were a moment ago
}

// next returns how what is shown of a site is to move on, nil if it is not, and the
// cells before and after.
func (in *Insight) next(s site.Site, q Question, a Answer) (_ *Move, before, after map[feedback.Asked]rollup.Cell, err error) {
	if before, err = cellsOf(a.Shown); err != nil {
		return nil, nil, nil, err
	}
	after, moved := move(before, a, q.Days-1)
	if !moved {
		return nil, before, after, nil
	}
	m := Move{Snapshot: Snapshot{Site: s.ID, Day: q.Shown, At: max(in.now().UnixMilli(), a.Shown.At+1)}, Was: a.Shown.At}
	if m.Body, err = json.Marshal(bodyOf(after)); err != nil {
		return nil, nil, nil, fmt.Errorf("figures to show: %w", err)
	}
	return &m, before, after, nil
}

// moveOn moves the figures of many sites on at once: the first overview after an
// hour moves them all, and a commit for each took 1 ms on a file and 3 on a server.
// What it cannot move is left to show, which tries again or says why.
func (in *Insight) moveOn(ctx context.Context, sites []site.Site, questions []Question, answers []Answer) error {
	var moves []Move
	var of []int // of each, the site
	for i, s := range sites {
		if questions[i].Shown == "" {
			continue
		}
		m, _, _, err := in.next(s, questions[i], answers[i])
		if err != nil {
			return fmt.Errorf("site %s: %w", s.ID, err)
		}
		if m != nil {
			moves, of = append(moves, *m), append(of, i)
		}
	}
	if len(moves) == 0 {
		return nil
	}
	done, err := in.store.Publish(ctx, moves...)
	for j, i := range of {
		if err == nil && done[j] {
			answers[i].Shown = moves[j].Snapshot
		}
	}
	return nil
}

func cellsOf(s Snapshot) (map[feedback.Asked]rollup.Cell, error) {
	out := make(map[feedback.Asked]rollup.Cell)
	if s.At == 0 {
		return out, nil
	}
	var body shownBody
	if err := json.Unmarshal(s.Body, &body); err != nil {
		return nil, fmt.Errorf("figures shown of %s on %s: %w", s.Site, s.Day, err)
	}
	for _, m := range body.Moments {
		out[m.Asked] = m.Cell
	}
	return out, nil
}

func bodyOf(cells map[feedback.Asked]rollup.Cell) shownBody {
	b := shownBody{Moments: make([]shownMoment, 0, len(cells))}
	for asked, c := range cells {
		b.Moments = append(b.Moments, shownMoment{asked, c})
	}
	return b
}

// move returns the cells to show after those shown before, given what is stored
// for the day, and whether any differs.
func move(before map[feedback.Asked]rollup.Cell, a Answer, day int) (map[feedback.Asked]rollup.Cell, bool) {
	after := make(map[feedback.Asked]rollup.Cell, len(before))
	for asked := range before {
		after[asked] = rollup.Cell{} // what is stored may have shrunk to nothing
	}
	for _, c := range a.Days {
		if c.Day == day {
			after[c.Asked] = c.Cell
		}
	}
	moved := false
	for asked, c := range after {
		if was := before[asked]; was != c && !mayMove(was, c) {
			after[asked] = was
		}
		moved = moved || before[asked] != after[asked]
	}
	return after, moved
}

// mayMove reports whether figures that were may become those that are.
func mayMove(was, is rollup.Cell) bool {
	var came, went int64
	for i := range is.Steps {
		came += max(0, is.Steps[i]-was.Steps[i])
		went += max(0, was.Steps[i]-is.Steps[i])
	}
	switch {
	case came == 0 && went == 0:
		return true // only repeats or what is set aside
	case !kpi.Enough(was.Ratings()):
		return true // no face was shown; if one is now, it is one of at least five
	}
	return max(came, went) >= kpi.MinimumStep
}
