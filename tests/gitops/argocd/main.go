// Command argocd asks Argo CD's own packages what they make of objects: its settings read docs/gitops/argocd/argocd-cm.yaml,
// its Lua engine runs the health checks, its diff compares manifests with what the API server would have made of them.
// A line `ok what` or `FAILED what: why` for each check.
//
//	argocd REPOSITORY
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/argo-cd/v3/util/settings"
	"github.com/argoproj/gitops-engine/pkg/health"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/fake"
)

var failures int

func check(what, expected, actual string) {
	if expected == actual {
		fmt.Println("ok", what)
		return
	}
	failures++
	fmt.Printf("FAILED %s: expected %s, Argo CD says %s\n", what, expected, actual)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: argocd REPOSITORY")
		os.Exit(2)
	}
	logrus.SetLevel(logrus.WarnLevel)
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "argocd:", err)
		os.Exit(1)
	}
	if failures > 0 {
		os.Exit(1)
	}
}

func run(root string) error {
	overrides, err := configured(filepath.Join(root, "docs/gitops/argocd/argocd-cm.yaml"))
	if err != nil {
		return err
	}
	for _, kind := range []string{"DefenderApplication", "DefenderTenant"} {
		script, err := os.ReadFile(filepath.Join(root, "docs/gitops/argocd", kind, "health.lua"))
		if err != nil {
			return err
		}
		check("argocd-cm.yaml has "+kind+"/health.lua", string(script), overrides["defendertenant.io/"+kind].HealthLua)
	}
	for _, file := range []string{"reasons.json", "applications.json"} {
		objects, err := read(filepath.Join(root, "tests/kstatus", file))
		if err != nil {
			return err
		}
		if len(objects) == 0 {
			return fmt.Errorf("%s is empty", file)
		}
		for _, object := range objects {
			judge(object, overrides)
		}
	}
	return drift(root)
}

// configured is what Argo CD's settings make of a ConfigMap argocd-cm with this data.
func configured(path string) (lua.ResourceHealthOverrides, error) {
	documents, err := read(path)
	if err != nil {
		return nil, err
	}
	if len(documents) != 1 {
		return nil, fmt.Errorf("%s has %d documents", path, len(documents))
	}
	data, _, err := unstructured.NestedStringMap(documents[0].Object, "data")
	if err != nil {
		return nil, err
	}
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{
			Name:      name,
			Namespace: "argocd",
			Labels:    map[string]string{"app.kubernetes.io/part-of": "argocd"},
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client := fake.NewClientset(
		&corev1.ConfigMap{ObjectMeta: meta(common.ArgoCDConfigMapName), Data: data},
		&corev1.Secret{ObjectMeta: meta(common.ArgoCDSecretName)},
	)
	return settings.NewSettingsManager(ctx, client, "argocd").GetResourceOverrides()
}

func judge(object *unstructured.Unstructured, overrides lua.ResourceHealthOverrides) {
	what := object.GetKind() + " " + object.GetName()
	expected := map[string]string{
		"Current":     "Healthy",
		"InProgress":  "Progressing",
		"Failed":      "Degraded",
		"Terminating": "Progressing",
	}[object.GetAnnotations()["expected"]]
	// What somebody suspended isn't broken.
	switch object.GetKind() + "/" + object.GetName() {
	case "DefenderTenant/Suspended-new", "DefenderTenant/Suspended-live", "DefenderApplication/ApplicationSuspended":
		expected = "Suspended"
	}
	said, err := health.GetResourceHealth(object, overrides)
	if err != nil {
		check(what, expected, err.Error())
		return
	}
	check(what+" is "+expected, expected, string(said.Status))
	if ready, message := condition(object, "Ready"); expected != "Progressing" {
		check(what+" says why", strings.TrimSuffix(ready+": "+message, ": "), said.Message)
	}
}

func condition(object *unstructured.Unstructured, name string) (reason, message string) {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, each := range conditions {
		if fields, _ := each.(map[string]any); fields["type"] == name {
			reason, _ = fields["reason"].(string)
			message, _ = fields["message"].(string)
		}
	}
	return reason, message
}

// read takes the objects of a file; a list counts as its items.
func read(path string) ([]*unstructured.Unstructured, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
	for {
		object := &unstructured.Unstructured{}
		var fields map[string]any
		err := decoder.Decode(&fields)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(fields) == 0 {
			continue
		}
		object.Object = runtime.DeepCopyJSON(integers(fields).(map[string]any))
		if !object.IsList() {
			objects = append(objects, object)
			continue
		}
		err = object.EachListItem(func(item runtime.Object) error {
			objects = append(objects, item.(*unstructured.Unstructured))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
}

// integers makes whole numbers int64, as the API machinery has them.
func integers(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, each := range value {
			value[key] = integers(each)
		}
	case []any:
		for index, each := range value {
			value[index] = integers(each)
		}
	case float64:
		if value == float64(int64(value)) {
			return int64(value)
		}
	}
	return value
}
