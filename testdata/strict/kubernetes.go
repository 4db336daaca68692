package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// manifests are the objects of an example, by kind.
type manifests struct {
	deployments []*appsv1.Deployment
	services    []*corev1.Service
	secrets     []*corev1.Secret
	budgets     []*policyv1.PodDisruptionBudget
	policies    []*networkingv1.NetworkPolicy
	monitors    []*monitoringv1.PodMonitor
}

func checkManifests(text []byte) (environ []string, err error) {
	m, err := decode(text)
	if err != nil {
		return nil, err
	}
	for _, d := range m.deployments {
		if !matches(d.Spec.Selector, d.Spec.Template.Labels) {
			err = errors.Join(err, fmt.Errorf("Deployment %s does not select its own pods", d.Name))
		}
		pod := d.Spec.Template.Spec
		for _, c := range pod.Containers {
			err = errors.Join(err, checkProbe(c, c.ReadinessProbe), checkProbe(c, c.LivenessProbe), checkMounts(pod, c))
			if c.Name == "fourseven" {
				environ = append(environ, environment(c)...)
				err = errors.Join(err, checkFourseven(pod, c))
			}
		}
	}
	for _, s := range m.services {
		err = errors.Join(err, m.checkService(s))
	}
	for _, b := range m.budgets {
		if m.podsOf(b.Spec.Selector) == nil {
			err = errors.Join(err, fmt.Errorf("PodDisruptionBudget %s selects no pods", b.Name))
		}
	}
	for _, p := range m.policies {
		err = errors.Join(err, m.checkPolicy(p))
	}
	for _, monitor := range m.monitors {
		err = errors.Join(err, m.checkMonitor(monitor))
	}
	return environ, err
}

// decode refuses fields that the API does not know, fields that are there twice, and objects
// without the recommended labels.
func decode(text []byte) (m manifests, err error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, corev1.AddToScheme, policyv1.AddToScheme, networkingv1.AddToScheme, monitoringv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return m, err
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if err == io.EOF {
			return m, nil
		}
		if err != nil {
			return m, err
		}
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			return m, err
		}
		if err := m.add(object); err != nil {
			return m, err
		}
	}
}

func (m *manifests) add(object runtime.Object) error {
	switch o := object.(type) {
	case *appsv1.Deployment:
		m.deployments = append(m.deployments, o)
	case *corev1.Service:
		m.services = append(m.services, o)
	case *corev1.Secret:
		m.secrets = append(m.secrets, o)
	case *policyv1.PodDisruptionBudget:
		m.budgets = append(m.budgets, o)
	case *networkingv1.NetworkPolicy:
		m.policies = append(m.policies, o)
	case *monitoringv1.PodMonitor:
		m.monitors = append(m.monitors, o)
	default:
		return fmt.Errorf("no check for a %T", o)
	}
	meta := object.(metav1.Object)
	for _, label := range []string{"app.kubernetes.io/name", "app.kubernetes.io/instance"} {
		if meta.GetLabels()[label] == "" {
			return fmt.Errorf("%s has no label %s", meta.GetName(), label)
		}
	}
	return nil
}

func matches(s *metav1.LabelSelector, of map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && !selector.Empty() && selector.Matches(labels.Set(of))
}

// podsOf returns the pods that are selected, or nil.
func (m manifests) podsOf(s *metav1.LabelSelector) *corev1.PodSpec {
	for _, d := range m.deployments {
		if matches(s, d.Spec.Template.Labels) {
			return &d.Spec.Template.Spec
		}
	}
	return nil
}
