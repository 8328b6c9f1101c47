package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sourire/hub/app"
	"sourire/hub/history"
	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/internal/command"
	"sourire/internal/feedback"
	"sourire/internal/run"
	"sourire/internal/visit"
)

// csvMapping are the flags that say what the columns of a file mean.
type csvMapping struct {
	TimeColumn     []string `placeholder:"TITLE" help:"Column of the time; two for a date and a time of day, separated by a comma."`
	RatingColumn   string   `placeholder:"TITLE" help:"Column of the rating."`
	LocationColumn string   `placeholder:"TITLE" help:"Column of the place; each becomes a site, or with --site a touchpoint of that."`
	Site           string   `placeholder:"ID" help:"Site of all rows."`
	Touchpoint     string   `default:"imported" help:"Touchpoint of all rows, where nothing else says one."`
	Survey         string   `default:"imported" help:"Survey that the ratings answer."`
	Scale          string   `default:"smiley3" help:"Scale of the ratings."`
	RatingMap      []string `placeholder:"TEXT=STEP" help:"Steps of the scale for texts, e.g. bad=0,so-so=1,good=2. Without it the column holds the steps."`
	LocationMap    []string `placeholder:"TEXT=SITE[/TOUCHPOINT]" help:"Places of texts. Without it ids are made from the texts."`
	Separator      string   `help:"What separates columns: , ; or tab. Without it the titles show it."`
	Dates          string   `placeholder:"dmy|mdy" help:"What 03/04/2024 means: dmy or mdy. Without it the dates show it."`
	TimesIn        string   `name:"times-in" placeholder:"ZONE" help:"IANA time zone of times without an offset. Without it, that of the site, or the hub's (--zone)."`
	RawPresses     bool     `help:"Rows are raw presses of buttons: those within 2 s are one visit. Without it each row is one rating."`
	SkipBad        bool     `help:"Leave lines that cannot be read out, in FILE.refused.csv. Without it nothing is imported while there are any."`
	Overlapping    bool     `help:"Count rows beside an earlier import of the same place and time."`
	Examples       int      `default:"3" help:"Lines to show of each reason."`
}

// mapping reads the flags.
func (f csvMapping) mapping() (history.Mapping, error) {
	m := history.Mapping{
		Time: f.TimeColumn, Rating: f.RatingColumn, Location: f.LocationColumn, Site: feedback.SiteID(f.Site),
		Touchpoint: feedback.TouchpointID(f.Touchpoint), Survey: feedback.SurveyID(f.Survey), Scale: feedback.ScaleID(f.Scale),
		Dates: f.Dates, Zone: f.TimesIn, Presses: f.RawPresses,
	}
	if len(m.Time) == 0 || m.Rating == "" {
		return m, errors.New("which columns? name them with --time-column and --rating-column")
	}
	switch f.Separator {
	case "":
	case ",", ";":
		m.Separator = rune(f.Separator[0])
	case "tab", "\t", `\t`:
		m.Separator = '\t'
	default:
		return m, fmt.Errorf("--separator=%s: write , or ; or tab", f.Separator)
	}
	if m.Dates != "" && m.Dates != history.DayFirst && m.Dates != history.MonthFirst {
		return m, fmt.Errorf("--dates=%s: write dmy or mdy", m.Dates)
	}
	for _, pair := range f.RatingMap {
		text, step, ok := cutPair(pair)
		n, err := strconv.Atoi(step)
		if !ok || err != nil {
			return m, fmt.Errorf("--rating-map: %q is no TEXT=STEP", pair)
		}
		if m.Ratings == nil {
			m.Ratings = make(map[string]int)
		}
		m.Ratings[text] = n
	}
	for _, pair := range f.LocationMap {
		text, place, ok := cutPair(pair)
		if !ok {
			return m, fmt.Errorf("--location-map: %q is no TEXT=SITE/TOUCHPOINT", pair)
		}
		site, touchpoint, _ := strings.Cut(place, "/")
		if touchpoint == "" {
			touchpoint = f.Touchpoint
		}
		if m.Places == nil {
			m.Places = make(map[string]history.Place)
		}
		m.Places[text] = history.Place{Site: feedback.SiteID(site), Touchpoint: feedback.TouchpointID(touchpoint)}
	}
	return m, nil
}

// history imports a CSV.
func (cmd *importCmd) history(c *console, s app.Settings) error {
	m, err := cmd.Press.mapping()
	if err != nil {
		return command.Usage(err)
	}
	o := history.Options{
		DryRun: cmd.DryRun, SkipBad: cmd.Press.SkipBad, Overlap: cmd.Press.Overlapping, Examples: cmd.Press.Examples,
		Zones: make(map[feedback.SiteID]*time.Location), Progress: progress(c.Err, "rows read or stored"),
	}
	if o.Zone, err = time.LoadLocation(s.Zone); err != nil {
		return command.Usage(err)
	}
	for _, x := range s.Sites {
		if z, err := time.LoadLocation(x.Zone); err == nil && x.Zone != "" {
			o.Zones[feedback.SiteID(x.ID)] = z
		}
	}
	ctx, stop := run.Context()
	defer stop()
	take := func(store history.Store, g *ingest.Ingester) error {
		r, err := history.Import(ctx, cmd.CSV, m, store, g, o)
		cmd.printHistory(c, r, err)
		return err
	}
	with := withStore
	if cmd.DryRun {
		with = lookInto
	}
	return with(ctx, s, func(store *sqlstore.Store, g *ingest.Ingester) error { return take(store, g) })
}

func (cmd *importCmd) printHistory(c *console, r history.Report, err error) {
	if r.Lines == 0 && err != nil {
		return // it did not come to reading
	}
	would := ""
	if cmd.DryRun || err != nil {
		would = "would be "
	}
	fmt.Fprintf(c.Out, "columns read: %s; dropped: %s\n", list(r.Read), list(r.Dropped))
	var counted, aside, records int64
	for _, f := range r.Places {
		records += f.Records
		texts := ""
		if len(f.Texts) > 0 && f.Texts[0] != "" {
			texts = " (" + list(f.Texts) + ")"
		}
		fmt.Fprintf(c.Out, "%s/%s%s: %d rows from %s to %s (%s); ", f.Place.Site, f.Place.Touchpoint, texts, f.Rows,
			f.First.UTC().Format("2006-01-02 15:04"), f.Last.UTC().Format("2006-01-02 15:04 MST"), f.Zone)
		switch f.Verdict {
		case history.Recognised:
			fmt.Fprint(c.Out, "recognised, not doubled\n")
			continue
		case history.Overlaps:
			fmt.Fprintf(c.Out, "%s already holds %d visits from %s to %s: ", f.Key.Kiosk, f.Other.Visits,
				f.Other.First.UTC().Format("2006-01-02 15:04"), f.Other.Last.UTC().Format("2006-01-02 15:04 MST"))
		case history.Resumed:
			fmt.Fprint(c.Out, "an import that was cut short goes on: ")
		}
		fmt.Fprintf(c.Out, "%s%d counted%s\n", would, f.Visits[visit.Counted], asides(f.Visits))
		for a, n := range f.Visits {
			if visit.Aside(a) == visit.Counted {
				counted += n
			} else {
				aside += n
			}
		}
	}
	for _, reason := range []history.Reason{history.BadLine, history.BadTime, history.SkippedTime, history.DoubleTime, history.FarTime, history.BadRating, history.BadLocation} {
		n := r.Refused[reason]
		if n == 0 {
			continue
		}
		fmt.Fprintf(c.Out, "%d lines refused: %s\n", n, reason)
		for _, x := range r.Examples {
			if x.Reason == reason {
				fmt.Fprintf(c.Out, "    line %d: %s\n", x.Line, x.Detail)
			}
		}
	}
	if r.File != "" {
		fmt.Fprintf(c.Out, "the refused lines are in %s\n", r.File)
	}
	recognised := !slices.ContainsFunc(r.Places, func(f history.Finding) bool { return f.Verdict != history.Recognised })
	if recognised && len(r.Places) > 0 {
		fmt.Fprintf(c.Out, "import: all of %s is here already: nothing was added\n", cmd.CSV)
		return
	}
	fmt.Fprintf(c.Out, "import: %d lines: %s%d ratings counted, %d visits set aside, %d lines refused; %d records added\n",
		r.Lines, would, counted, aside, r.RefusedLines(), records)
}

// asides says what was set aside.
func asides(visits [visit.Asides]int64) string {
	var b strings.Builder
	for a, n := range visits {
		if n > 0 && visit.Aside(a) != visit.Counted {
			fmt.Fprintf(&b, ", %d set aside: %s", n, visit.Aside(a))
		}
	}
	return b.String()
}

func list(texts []string) string {
	const most = 8
	if len(texts) == 0 {
		return "none"
	}
	out := make([]string, 0, most+1)
	for i, t := range texts {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(texts)-most))
			break
		}
		out = append(out, strconv.Quote(t))
	}
	return strings.Join(out, ", ")
}
