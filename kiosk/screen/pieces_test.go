package screen

import (
	"slices"
	"testing"
)

// Lines of several directions and fonts are read in the right order.
func TestPieces(t *testing.T) {
	tests := []struct {
		name, line string
		rtl        bool
		want       []piece
	}{
		{"latin", "How was it?", false, []piece{{"How was it?", latin}}},
		{"arabic", "كيف كانت زيارتك؟", true, []piece{{"كيف كانت زيارتك؟", arabic}}},
		{"a latin word in arabic", "شبكة WiFi سريعة!", true, []piece{{" سريعة!", arabic}, {"WiFi", latin}, {"شبكة ", arabic}}},
		{"arabic that begins with a latin word", "WiFi سريع", true, []piece{{" سريع", arabic}, {"WiFi", latin}}},
		{"a number in arabic", "من 9 إلى 12:30", true, []piece{{"12:30", latin}, {" إلى ", arabic}, {"9", latin}, {"من ", arabic}}},
		{"brackets in arabic", "(نعم)", true, []piece{{"(", latin}, {"نعم", arabic}, {")", latin}}},
		{"an arabic word in french", "Lire en العربية ici", false, []piece{{"Lire en ", latin}, {"العربية", arabic}, {" ici", latin}}},
		{"a mark alone in arabic", "!", true, []piece{{"!", arabic}}},
		{"chinese", "您这次的体验如何？", false, []piece{{"您这次的体验如何？", chinese}}},
		{"a latin word in chinese", "使用WiFi上网", false, []piece{{"使用WiFi上网", chinese}}},
		{"chinese after a number", "12点", false, []piece{{"12点", chinese}}},
		{"nothing", "", false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := pieces(tt.line, tt.rtl); !slices.Equal(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// A line may end between Chinese characters, not before their marks; and at spaces.
func TestWords(t *testing.T) {
	tests := []struct {
		text string
		want []word
	}{
		{"Comment ça va ?", []word{{"Comment", true}, {"ça", true}, {"va\u00a0?", true}}},
		{"您好，请说。", []word{{"您", true}, {"好，", false}, {"请", false}, {"说。", false}}},
		{"用 WiFi 吗？", []word{{"用", true}, {"WiFi", true}, {"吗？", true}}},
		{" \n", nil},
	}
	for _, tt := range tests {
		if got := words(tt.text); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %+v, want %+v", tt.text, got, tt.want)
		}
	}
}
