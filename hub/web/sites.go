package web

import (
	"net/http"

	"sourire/hub/insight"
	"sourire/internal/i18n"
)

// sitesData is what the page of all sites shows.
type sitesData struct{ Sites []siteCard }

type siteCard struct {
	ID, Name string
	Moments  []momentLine
	Signs    []sign
}

// sign is a line of how a site is.
type sign struct {
	Text string
	Warn bool
}

type momentLine struct {
	Name, Scale string
	ScaleShown  bool // the touchpoint has several
	Few, Stuck  bool
	Rough       bool
	Share       string
	Interval    string
	Ratings     string
	Gauge       gauge
}

// sites makes the page of all sites.
func (s *Server) sites(r *http.Request, l *i18n.Language) (content, error) {
	all, err := s.insight.Sites(r.Context())
	if err != nil {
		return content{}, err
	}
	c := content{page: "sites", title: l.Text("sites")}
	var d sitesData
	for _, sum := range all {
		if sum.Trouble != nil {
			s.log.Error("figures could not be moved on", "error", sum.Trouble)
			c.refusing = true
		}
		d.Sites = append(d.Sites, cardOf(l, sum))
	}
	c.data = d
	return c, nil
}

func cardOf(l *i18n.Language, sum insight.Summary) siteCard {
	card := siteCard{ID: string(sum.Site.ID), Name: sum.Site.Name, Signs: signsOf(l, sum.Life)}
	touchpoints := make(map[string]int)
	for _, m := range sum.Moments {
		touchpoints[string(m.Asked.Touchpoint)]++
	}
	for _, m := range sum.Moments {
		line := momentLine{
			Name: string(m.Asked.Touchpoint), Scale: l.Text("scale_" + string(m.Asked.Scale)),
			ScaleShown: touchpoints[string(m.Asked.Touchpoint)] > 1, Few: m.Figures.Few, Stuck: m.Stuck,
			Ratings: l.Count("ratings", m.Figures.N),
		}
		if !line.Few {
			line.Share, line.Rough = percent(l, m.Figures), rough(m.Figures)
			line.Interval = intervalText(l, m.Figures)
			line.Gauge = gaugeOf(m.Figures)
		}
		card.Moments = append(card.Moments, line)
	}
	return card
}

// signsOf tells when a site was last pressed, up to when it is complete, and what
// is wrong there.
func signsOf(l *i18n.Language, life insight.Life) []sign {
	at := clockOf(l, life.Site, life.At)
	last := sign{Text: l.Text("press_never")}
	if !life.PressedAt.IsZero() {
		last.Text = l.Text("press_last", "at", at.at(life.PressedAt))
	}
	out := []sign{last}
	switch {
	case life.HeldBy == "": // no kiosk is in service
	case behind(life) && life.UpTo.IsZero():
		out = append(out, sign{l.Text("complete_unknown"), true})
	case behind(life):
		out = append(out, sign{l.Text("complete_only", "at", at.at(life.UpTo)), true})
	default:
		out = append(out, sign{l.Text("complete_at", "at", at.at(life.UpTo)), false})
	}
	if life.Waiting > 0 {
		out = append(out, sign{l.Count("waiting_n", life.Waiting), behind(life)})
	}
	lost := int64(0)
	for _, k := range life.Kiosks {
		if k.Condition == insight.Lost {
			lost++
		}
	}
	if lost > 0 {
		out = append(out, sign{l.Count("kiosks_lost", lost), true})
	}
	if life.Bad > 0 {
		out = append(out, sign{l.Count("bad_n", life.Bad), true})
	}
	return out
}
