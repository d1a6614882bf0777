// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"context"
	"math"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// now is the time that scripts are told.
var now = time.Date(2026, 1, 1, 9, 10, 0, 0, time.UTC)

// run has a script look at an object, and returns what it returns. As in Argo CD for what stands in argocd-cm, there are
// the functions of the language and of tables, and of os only those of time; none of strings, of mathematics or of files.
func run(t *testing.T, script string, object map[string]any) any {
	t.Helper()
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		if err := l.CallByParam(lua.P{Fn: l.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	l.PreloadModule(lua.OsLibName, func(l *lua.LState) int {
		l.Push(l.SetFuncs(l.NewTable(), map[string]lua.LGFunction{"date": date, "time": clock}))
		return 1
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	l.SetContext(ctx)
	l.SetGlobal("obj", toLua(l, object))
	if err := l.DoString(script); err != nil {
		t.Fatalf("%v in\n%s", err, script)
	}
	return fromLua(l.Get(-1))
}

// date knows the one form in which annotations are written here.
func date(l *lua.LState) int {
	if form := l.CheckString(1); form != "!%Y-%m-%dT%H:%M:%SZ" {
		l.RaiseError("the test knows no dates in the form %s", form)
	}
	l.Push(lua.LString(now.Format(time.RFC3339)))
	return 1
}

func clock(l *lua.LState) int {
	l.Push(lua.LNumber(now.Unix()))
	return 1
}

func toLua(l *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case string:
		return lua.LString(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case []any:
		list := l.NewTable()
		for _, item := range value {
			list.Append(toLua(l, item))
		}
		return list
	case map[string]any:
		table := l.NewTable()
		for key, item := range value {
			table.RawSetString(key, toLua(l, item))
		}
		return table
	}
	return lua.LNil
}

// fromLua makes a list of an empty table, as Argo CD does, since Lua can not tell it from an empty map.
func fromLua(value lua.LValue) any {
	switch value := value.(type) {
	case lua.LBool:
		return bool(value)
	case lua.LString:
		return string(value)
	case lua.LNumber:
		if whole := math.Trunc(float64(value)); whole == float64(value) {
			return int64(whole)
		}
		return float64(value)
	case *lua.LTable:
		list, object := []any{}, map[string]any{}
		value.ForEach(func(key, item lua.LValue) {
			if _, isIndex := key.(lua.LNumber); isIndex {
				list = append(list, fromLua(item))
			} else {
				object[key.String()] = fromLua(item)
			}
		})
		if len(object) > 0 {
			return object
		}
		return list
	}
	return nil
}

// merged is what Argo CD makes of an object that an action returned: what was a map before and is an empty list now stays
// as it was.
func merged(after, before any) any {
	switch after := after.(type) {
	case map[string]any:
		if was, ok := before.(map[string]any); ok {
			for key := range after {
				if old, known := was[key]; known {
					after[key] = merged(after[key], old)
				}
			}
		}
		return after
	case []any:
		switch was := before.(type) {
		case map[string]any:
			if len(after) == 0 {
				return was
			}
		case []any:
			for i := range min(len(after), len(was)) {
				after[i] = merged(after[i], was[i])
			}
		}
		return after
	}
	return after
}
