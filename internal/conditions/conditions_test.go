// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package conditions_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/internal/conditions"
)

type object struct {
	metav1.ObjectMeta
	conditions []metav1.Condition
}

func (o *object) GetConditions() *[]metav1.Condition { return &o.conditions }

var (
	before = metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	now    = metav1.NewTime(before.Add(time.Hour))
)

const limit = 32768

func TestSet(t *testing.T) {
	t.Parallel()
	ready := metav1.Condition{
		Type: "Ready", Status: metav1.ConditionTrue, Reason: "Available", Message: "all is well",
		ObservedGeneration: 1, LastTransitionTime: before,
	}
	with := func(change func(*metav1.Condition)) metav1.Condition {
		c := ready
		change(&c)
		return c
	}
	tests := map[string]struct {
		reason          string
		have            []metav1.Condition
		generation      int64
		status          metav1.ConditionStatus
		because, saying string
		want            metav1.Condition
	}{
		"a condition that was not there": {
			reason: "it gets the time of the caller", generation: 1,
			status: metav1.ConditionTrue, because: "Available", saying: "all is well",
			want: with(func(c *metav1.Condition) { c.LastTransitionTime = now }),
		},
		"the same again": {
			reason: "nothing may be written where nothing happened", have: []metav1.Condition{ready}, generation: 1,
			status: metav1.ConditionTrue, because: "Available", saying: "all is well", want: ready,
		},
		"another status": {
			reason: "that is a transition", have: []metav1.Condition{ready}, generation: 1,
			status: metav1.ConditionFalse, because: "Available", saying: "all is well",
			want: with(func(c *metav1.Condition) { c.Status, c.LastTransitionTime = metav1.ConditionFalse, now }),
		},
		"unknown is another status": {
			reason: "that is a transition", have: []metav1.Condition{ready}, generation: 1,
			status: metav1.ConditionUnknown, because: "Available", saying: "all is well",
			want: with(func(c *metav1.Condition) { c.Status, c.LastTransitionTime = metav1.ConditionUnknown, now }),
		},
		"another reason": {
			reason: "that is no transition", have: []metav1.Condition{ready}, generation: 1,
			status: metav1.ConditionTrue, because: "Throttled", saying: "all is well",
			want: with(func(c *metav1.Condition) { c.Reason = "Throttled" }),
		},
		"another message": {
			reason: "that is no transition", have: []metav1.Condition{ready}, generation: 1,
			status: metav1.ConditionTrue, because: "Available", saying: "nearly all is well",
			want: with(func(c *metav1.Condition) { c.Message = "nearly all is well" }),
		},
		"another generation": {
			reason: "it says that the new spec has been looked at", have: []metav1.Condition{ready}, generation: 2,
			status: metav1.ConditionTrue, because: "Available", saying: "all is well",
			want: with(func(c *metav1.Condition) { c.ObservedGeneration = 2 }),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &object{ObjectMeta: metav1.ObjectMeta{Generation: test.generation}, conditions: test.have}
			conditions.Set(o, now, "Ready", test.status, test.because, test.saying)
			if want := []metav1.Condition{test.want}; !reflect.DeepEqual(o.conditions, want) {
				t.Errorf("got %v, want %v: %s", o.conditions, want, test.reason)
			}
		})
	}
}

func TestSetLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	o := &object{ObjectMeta: metav1.ObjectMeta{Generation: 1}}
	conditions.Set(o, before, "Synced", metav1.ConditionTrue, "InSync", "")
	synced := *conditions.Get(o, "Synced")
	o.Generation = 2
	conditions.Set(o, now, "Ready", metav1.ConditionFalse, "Progressing", "")
	conditions.Set(o, now, "Ready", metav1.ConditionTrue, "Available", "")
	if len(o.conditions) != 2 || !reflect.DeepEqual(*conditions.Get(o, "Synced"), synced) {
		t.Errorf("got %v", o.conditions)
	}
}

func TestMessagesAreCutAtTheLimit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		message string
		want    int
	}{
		"an empty one":             {"", 0},
		"one of the limit":         {strings.Repeat("x", limit), limit},
		"one more than the limit":  {strings.Repeat("x", limit+1), limit},
		"much more than the limit": {strings.Repeat("x", 3*limit), limit},
	} {
		o := &object{}
		conditions.Set(o, now, "Ready", metav1.ConditionTrue, "Available", test.message)
		if got := conditions.Get(o, "Ready").Message; len(got) != test.want || !strings.HasPrefix(test.message, got) {
			t.Errorf("%s: got %d bytes, want the first %d", name, len(got), test.want)
		}
	}
}

// A message that is cut within a character is stored as another one, so that each pass would find it different and write
// the status anew.
func TestMessagesAreNotCutWithinACharacter(t *testing.T) {
	t.Parallel()
	for offset := range 4 {
		o := &object{}
		message := strings.Repeat("x", offset) + strings.Repeat("\U0001F512", limit/4+1)
		conditions.Set(o, now, "Ready", metav1.ConditionTrue, "Available", message)
		got := conditions.Get(o, "Ready").Message
		if !utf8.ValidString(got) {
			t.Errorf("offset %d: the message ends within a character: %q", offset, got[len(got)-4:])
		}
		raw, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var stored string
		if err := json.Unmarshal(raw, &stored); err != nil {
			t.Fatal(err)
		}
		if stored != got {
			t.Errorf("offset %d: the message comes back as another one", offset)
		}
	}
}

func TestGetIsTrueAndRemove(t *testing.T) {
	t.Parallel()
	o := &object{}
	if conditions.Get(o, "Ready") != nil || conditions.IsTrue(o, "Ready") {
		t.Error("a condition is there before it is set")
	}
	conditions.Remove(o, "Ready") // is no mistake
	for status, want := range map[metav1.ConditionStatus]bool{
		metav1.ConditionTrue: true, metav1.ConditionFalse: false, metav1.ConditionUnknown: false,
	} {
		conditions.Set(o, now, "Ready", status, "Because", "")
		if got := conditions.IsTrue(o, "Ready"); got != want {
			t.Errorf("%s is true: %t", status, got)
		}
	}
	conditions.Set(o, now, "Stalled", metav1.ConditionTrue, "Because", "")
	conditions.Remove(o, "Ready")
	if conditions.Get(o, "Ready") != nil || !conditions.IsTrue(o, "Stalled") {
		t.Errorf("after Ready was removed there is %v", o.conditions)
	}
}
