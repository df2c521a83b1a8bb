// vetch promises as promises-aplus-tests wants them.
//
// Two notions of JavaScript have no meaning in C and are mapped here:
//
//  - A thenable, that is any object with a function `then`, is not known to
//    vetch. When one turns up where a promise is resolved with it (section
//    2.3.3 of Promises/A+), a deferred is made, the thenable's `then` is called
//    with functions that settle it, and vetch adopts that deferred's promise.
//  - An exception in a handler is caught at the border; what was thrown becomes
//    the reason of a rejection, as a C handler would return vetch_rejected().
//
// Everything else is done by the library.
'use strict';

const vetch = require(process.env.VETCH_ADDON);

class VetchPromise {
  constructor(handle) {
    this.handle = handle;
  }

  then(onFulfilled, onRejected) {
    return new VetchPromise(
      vetch.then(this.handle, wrapHandler(onFulfilled),
        wrapHandler(onRejected)));
  }
}

function wrapHandler(handler) {
  if (typeof handler !== 'function') return undefined;
  return (argument) => {
    const outcome = (0, handler)(argument); // called as a plain function
    return asAnswer(outcome);
  };
}

// What a handler may return to vetch: a handle of one of its promises, or a
// value.
function asAnswer(x) {
  if (x instanceof VetchPromise) return x.handle;
  const then = thenOf(x);
  if (then === undefined) return x;
  const d = vetch.deferred();
  const handle = vetch.promise(d);
  assimilate(d, x, then);
  return handle;
}

// The `then` of a thenable, read exactly once (2.3.3.1); undefined if x is
// none. Throws what the getter throws.
function thenOf(x) {
  if (x === null || (typeof x !== 'object' && typeof x !== 'function')) {
    return undefined;
  }
  const then = x.then;
  return typeof then === 'function' ? then : undefined;
}

// Settle `d` as the thenable says. Only the first of its calls counts
// (2.3.3.3.3), also when that binds d to a promise that is pending.
function assimilate(d, x, then) {
  let called = false;
  const once = (fn) => (argument) => {
    if (called) return;
    called = true;
    fn(argument);
  };
  try {
    then.call(x, once((y) => settle(d, y)), once((r) => vetch.reject(d, r)));
  } catch (thrown) {
    once((r) => vetch.reject(d, r))(thrown);
  }
}

// The promise resolution procedure for a deferred of vetch.
function settle(d, x) {
  if (x instanceof VetchPromise) {
    vetch.follow(d, x.handle);
    return;
  }
  let then;
  try {
    then = thenOf(x);
  } catch (thrown) {
    vetch.reject(d, thrown);
    return;
  }
  if (then === undefined) {
    vetch.resolve(d, x);
    return;
  }
  // Bound from now on to what the thenable will say.
  const inner = vetch.deferred();
  vetch.follow(d, vetch.promise(inner));
  assimilate(inner, x, then);
}

exports.deferred = () => {
  const d = vetch.deferred();
  return {
    promise: new VetchPromise(vetch.promise(d)),
    resolve: (value) => settle(d, value),
    reject: (reason) => vetch.reject(d, reason),
  };
};
