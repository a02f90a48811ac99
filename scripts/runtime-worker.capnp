using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (services = [(name = "main", worker = .worker)]);

const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "../.cache/runtimes/worker.mjs")],
  # The oldest date that the package supports. nodejs_compat is the default since 2026-08-04.
  compatibilityDate = "2026-11-01",
  bindings = [(name = "self", service = "main")],
);
