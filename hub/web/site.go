package web

import (
	"net/http"
	"net/url"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/insight"
	"sourire/hub/kpi"
	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/internal/feedback"
	"sourire/internal/i18n"
	"sourire/internal/visit"
)

// siteData is what the page of a site shows; its parts are what live pages are
// sent anew.
type siteData struct {
	Name    string
	Notice  string
	Today   bool
	Events  string // where the live page hears news
	Life    lifeData
	Figures figuresData
	Service serviceData
}

type lifeData struct {
	Last            string
	Recent          bool // within the last minute
	Stored, Waiting int64
	Unseen          string // why Stored is not what the figures add up to
	UpTo, HeldBy    string
	Behind          bool // some kiosk holds the figures back
}

type figuresData struct {
	Today         bool
	Day, ISO      string
	Before, After string // addresses of the days around; After "" today
	Moments       []momentData
	Sums          sumsData
}

type sumsData struct {
	Ratings, Repeats, Aside, Presses int64
	Reasons, Notes                   []string
	Bad                              string // what could not be read
	Rest                             restData
}

// restData leads from the presses that are shown to those that are stored.
type restData struct {
	More, Less int64 // of the two at most one is set
	Why        string
	Stored     int64
}

type serviceData struct {
	Kiosks []kioskRow
	Bad    bool // some kiosk has bad records
	Gaps   []string
}

type kioskRow struct {
	ID, Touchpoint, Class, Condition, Heard, UpTo string
	Waiting, Bad                                  int64
}

// site makes the page of a site.
func (s *Server) site(r *http.Request, l *i18n.Language) (content, error) {
	id := feedback.SiteID(r.PathValue("id"))
	notice := ""
	var day site.Day
	if text := r.URL.Query().Get("day"); text != "" {
		var err error
		if day, err = site.ParseDay(text); err != nil {
			notice = l.Text("day_none")
		}
	}
	v, err := s.insight.Site(r.Context(), id, day)
	if err != nil {
		return content{}, err
	}
	if !day.IsZero() && v.Day != day {
		notice = l.Text("day_future")
	}
	if v.Trouble != nil {
		s.log.Error("figures could not be moved on", "site", id, "error", v.Trouble)
	}
	d := siteData{
		Name: v.Site.Name, Notice: notice, Today: v.Today,
		Events: "/site/" + url.PathEscape(string(id)) + "/events?" + url.Values{"lang": {l.Tag()}, "shown": {v.Life.Version}}.Encode(),
		Life:   lifeOf(l, v.Life), Figures: figuresOf(l, v), Service: serviceOf(l, v.Life),
	}
	return content{page: "site", title: v.Site.Name, refusing: v.Trouble != nil, data: d}, nil
}

// behindAfter is how far completeness may lag before the page stresses it.
const behindAfter = 15 * time.Minute

func lifeOf(l *i18n.Language, life insight.Life) lifeData {
	at := clockOf(l, life.Site, life.At)
	d := lifeData{
		Last: at.exact(life.PressedAt), Recent: life.At.Sub(life.PressedAt) < time.Minute,
		Stored: life.Stored, Waiting: life.Waiting, UpTo: at.at(life.UpTo), Behind: behind(life),
	}
	switch n := life.Unseen(); {
	case n > 0:
		d.Unseen = l.Count("unseen_more", n)
	case n < 0:
		d.Unseen = l.Count("unseen_less", -n)
	}
	if d.Behind {
		d.HeldBy = l.Text("held_by", "kiosk", life.HeldBy)
	}
	return d
}

// behind reports whether some kiosk holds the figures back.
func behind(life insight.Life) bool {
	return life.HeldBy != "" && life.At.Sub(life.UpTo) > behindAfter
}

func restOf(l *i18n.Language, life insight.Life) restData {
	n := life.Unseen()
	d := restData{More: max(0, n), Less: max(0, -n), Why: l.Text("rest_step", "step", kpi.MinimumStep), Stored: life.Stored}
	if life.Stuck {
		d.Why = l.Text("rest_stuck")
	}
	return d
}

func figuresOf(l *i18n.Language, v insight.View) figuresData {
	address := func(d site.Day) string {
		if d == v.Day && v.Today {
			return "/site/" + url.PathEscape(string(v.Site.ID))
		}
		return "/site/" + url.PathEscape(string(v.Site.ID)) + "?day=" + d.String()
	}
	d := figuresData{Today: v.Today, Day: longDay(l, v.Day), ISO: v.Day.String(), Before: address(v.Day.Add(-1))}
	if !v.Today {
		d.After = address(v.Day.Add(1))
	}
	for i, m := range v.Moments {
		md := momentOf(l, m, v.Today)
		md.Place = i
		md.Trend = trendOf(l, m, v.Today, address)
		d.Moments = append(d.Moments, md)
	}
	d.Sums = sumsOf(l, v)
	return d
}

func sumsOf(l *i18n.Language, v insight.View) sumsData {
	c := v.Total
	d := sumsData{Ratings: c.Ratings(), Repeats: c.Repeats(), Aside: c.AsidePresses, Presses: c.Presses, Reasons: reasonsOf(l, c), Rest: restOf(l, v.Life)}
	if c.Mixed > 0 {
		d.Notes = append(d.Notes, l.Count("note_mixed", c.Mixed))
	}
	if c.Insistent > 0 {
		d.Notes = append(d.Notes, l.Count("note_insistent", c.Insistent))
	}
	if v.Undated.Presses > 0 {
		d.Notes = append(d.Notes, l.Count("note_undated", v.Undated.Presses))
	}
	if v.Life.Bad > 0 {
		d.Bad = l.Count("note_bad", v.Life.Bad)
	}
	return d
}

// reasonsOf tells why visits were set aside and how many; pages call them turns,
// for managers read "visits" as footfall.
func reasonsOf(l *i18n.Language, c rollup.Cell) []string {
	var out []string
	for a, n := range c.Aside {
		if n > 0 {
			out = append(out, l.Text("aside_"+visit.Aside(a).String(), "n", l.Count("turns", n)))
		}
	}
	return out
}

// maxGaps is how many declared losses a page lists.
const maxGaps = 20

func serviceOf(l *i18n.Language, life insight.Life) serviceData {
	at := clockOf(l, life.Site, life.At)
	d := serviceData{Bad: life.Bad > 0}
	for _, k := range life.Kiosks {
		class := conditionClass(k.Condition)
		d.Kiosks = append(d.Kiosks, kioskRow{
			ID: string(k.ID), Touchpoint: string(k.Asked.Touchpoint), Class: class, Condition: l.Text("condition_" + class),
			Heard: at.orElse(k.HeardAt, l.Text("never")), UpTo: at.at(k.UpTo), Waiting: k.Waiting, Bad: k.Bad,
		})
	}
	for _, g := range life.Gaps[:min(len(life.Gaps), maxGaps)] {
		key := "gap_closed"
		switch g.Why {
		case ingest.GapPruned:
			key = "gap_pruned"
		case ingest.GapBad:
			key = "gap_bad"
		}
		d.Gaps = append(d.Gaps, l.Text(key, "kiosk", g.Kiosk, "first", l.Int(int64(g.First)), "last", l.Int(int64(g.Last)), "at", at.at(g.At)))
	}
	return d
}

func conditionClass(c insight.Condition) string {
	switch c {
	case insight.Late:
		return "late"
	case insight.Lost:
		return "lost"
	case insight.Retired:
		return "retired"
	}
	return "well"
}
