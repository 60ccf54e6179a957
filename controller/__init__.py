"""The traffic controller: it guides live requests to the stable or the candidate version of an agent, and back in time.

The rooms stand in one order, which `.importlinter` holds: a functional core that decides (`rollout`, `analysis`,
`drain`), a journal that remembers before anything is done, a `runtime` that alone acts, and the surfaces (`api`,
`cli`) that people and programs touch. `app` is the only place that knows all of them.
"""
