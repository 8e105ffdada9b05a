/** The same thing, with some of its methods replaced. */
export const instead = <Thing extends object>(
  thing: Thing,
  calls: Partial<Record<keyof Thing, unknown>>,
): Thing =>
  new Proxy(thing, {
    get: (target, name) => {
      const value: unknown = calls[name as keyof Thing] ?? Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
