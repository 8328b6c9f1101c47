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
	Life     string
	Trouble  string
}

type momentLine struct {
	Name, Scale string
	ScaleShown  bool // the touchpoint has several
	Few         bool
	Share       string
	Interval    string
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
	card := siteCard{ID: string(sum.Site.ID), Name: sum.Site.Name}
	at := clockOf(l, sum.Site, sum.Life.At)
	card.Life = l.Text("life_last") + " " + at.orElse(sum.Life.PressedAt, l.Text("never"))
	lost := int64(0)
	for _, k := range sum.Life.Kiosks {
		if k.Condition == insight.Lost {
			lost++
		}
	}
	if lost > 0 {
		card.Trouble = l.Count("kiosks_lost", lost)
	}
	touchpoints := make(map[string]int)
	for _, m := range sum.Moments {
		touchpoints[string(m.Asked.Touchpoint)]++
	}
	for _, m := range sum.Moments {
		line := momentLine{
			Name: string(m.Asked.Touchpoint), Scale: l.Text("scale_" + string(m.Asked.Scale)),
			ScaleShown: touchpoints[string(m.Asked.Touchpoint)] > 1, Few: m.Figures.Few,
		}
		if !line.Few {
			line.Share = percent(l, m.Figures)
			line.Interval = intervalText(l, m.Figures)
			line.Gauge = gaugeOf(m.Figures)
		}
		card.Moments = append(card.Moments, line)
	}
	return card
}
