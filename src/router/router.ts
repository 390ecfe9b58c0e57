/**
 * The router: an app that picks the handler by method and path, the first that fits in the order of addition.
 * Runs on: worker; runtime API: none
 *
 * Synchronous from `fetch` to the handler: a promise comes out only if a handler or a middleware returned
 * one. Without middleware and mounted apps a request costs no object but its params. Statuses and `Allow` are
 * those of RFC 9110 sections 9.3.2 (HEAD), 9.3.7 (OPTIONS), 15.5.1, 15.5.5 and 15.5.6.
 */
import { CartoucheError } from "../errors.ts";
import type { FetchApp, Handler, HandlerResult, Middleware } from "../handler.ts";
import { type ServerRequest, upgradeWith } from "../worker/request.ts";
import { registerSocketHandlers } from "../worker/socket_registry.ts";
import type { WebSocketOptions } from "../worker/upgrade.ts";
import type { WebSocketHandlers } from "../worker/web_socket.ts";
import { allowValue, errorPage, methodNotAllowedPage, optionsAnswer } from "./automatic_answers.ts";
import { MiddlewareChain } from "./middleware_chain.ts";
import { pathBelow, routesBelow } from "./mounted_router.ts";
import { NO_PARAMS } from "./path_captures.ts";
import type { PathParams } from "./path_params.ts";
import { parsePattern, type PathPattern } from "./path_pattern.ts";
import { checkRouteOptions, NO_OPTIONS, type RouteOptions, type RouteRecord } from "./route_options.ts";
import { EVERY_METHOD, type NoRoute, RouteTable } from "./route_table.ts";

/** What comes out of a router. */
type Result = HandlerResult | Promise<HandlerResult>;

/** Answers for a handler or middleware that threw (or whose promise was rejected). */
export type ErrorHandler = (error: unknown, request: ServerRequest) => HandlerResult | Promise<HandlerResult>;

/**
 * Answers a request whose path fits only routes of other methods. `allow` is the value of the `Allow` field
 * that RFC 9110 section 15.5.6 asks of a 405 response.
 */
export type MethodNotAllowedHandler = (
  request: ServerRequest,
  allow: string,
) => HandlerResult | Promise<HandlerResult>;

/** What a route leads to. */
interface Target {
  readonly handler: Handler;
  readonly options: RouteOptions;
  readonly mounted: MountedRouter | undefined;
}

/** Decides about one handshake: how the connection behaves, or a response that refuses it. */
export type WebSocketAdmission<Data = unknown> = (
  request: ServerRequest,
) => WebSocketOptions<Data> | Response | Promise<WebSocketOptions<Data> | Response>;

/** A router below a prefix. */
interface MountedRouter {
  readonly prefix: PathPattern;
  readonly router: Router;
}

/** RFC 9110 section 5.6.2: token. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** What `OPTIONS *` lists for a route of every method. */
const COMMON_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

/**
 * Routes requests to handlers. See `docs/routing.md` for the pattern language and the order of matching.
 *
 * @example
 * ```ts ignore
 * import { Router } from "@cartouche/cartouche";
 *
 * const router = new Router();
 * router.get("/", () => "Hello, World!");
 * router.get("/users/:id", (request) => `User ${request.params.id}`);
 * export default router;
 * ```
 */
export class Router implements FetchApp {
  readonly #table = new RouteTable<Target>();
  readonly #middleware = new MiddlewareChain();
  #notFound: Handler = () => errorPage(404, "Not Found");
  #badRequest: Handler = () => errorPage(400, "Bad Request");
  #methodNotAllowed: MethodNotAllowedHandler = (_request, allow) => methodNotAllowedPage(allow);
  #onError: ErrorHandler | undefined = undefined;

  readonly #fetch = (request: ServerRequest): Result => this.#serve(request, request.path);

  /**
   * Answers a request: what the server calls. It may be passed on without the router (`const { fetch } =
   * router`). It returns what the handler returned, or a promise of it if the handler or a middleware was
   * asynchronous, and throws whatever they throw, unless there is an {@link Router.onError}.
   */
  get fetch(): (request: ServerRequest) => HandlerResult | Promise<HandlerResult> {
    // No property of the object itself: Deno would ask at each start whether `deno serve` was meant.
    return this.#fetch;
  }

  /**
   * Adds a route.
   *
   * @param method any method, in the spelling of the request line (it is case-sensitive); "*" for every
   *   method
   * @param pattern the paths it answers
   * @param handler answers the request; the names of the pattern are in `request.params`
   * @param options limits of this route in place of the server's
   * @throws CartoucheError `ERR_PATTERN` if the pattern cannot work or an earlier route leaves nothing to it,
   *   `ERR_OPTION` if another argument is wrong
   */
  add<Pattern extends string>(
    method: string,
    pattern: Pattern,
    handler: Handler<PathParams<Pattern>>,
    options?: RouteOptions,
  ): this {
    checkMethod(method);
    checkFunction("handler", handler);
    this.#add(method, parsePattern(pattern), {
      // The params that `find` reads from the path have the names of this pattern; the compiler cannot know.
      handler: handler as unknown as Handler,
      options: options === undefined ? NO_OPTIONS : checkRouteOptions(options),
      mounted: undefined,
    });
    return this;
  }

  #add(method: string, pattern: PathPattern, target: Target): void {
    const earlier = this.#table.add(method, pattern, target);
    if (earlier === undefined) return;
    throw new CartoucheError(
      "ERR_PATTERN",
      `Cannot add the route ${method} "${pattern.source}": ` +
        `${earlier.method} "${earlier.pattern.source}" was added before and answers the same requests`,
    );
  }

  /** Adds a route for GET, and for HEAD if no other answers that. See {@link Router.add}. */
  get<Pattern extends string>(
    pattern: Pattern,
    handler: Handler<PathParams<Pattern>>,
    options?: RouteOptions,
  ): this {
    return this.add("GET", pattern, handler, options);
  }

  /** Adds a route for HEAD, which then is not answered as GET is. See {@link Router.add}. */
  head<Pattern extends string>(
    pattern: Pattern,
    handler: Handler<PathParams<Pattern>>,
    options?: RouteOptions,
  ): this {
    return this.add("HEAD", pattern, handler, options);
  }

  /** Adds a route for POST. See {@link Router.add}. */
  post<Pattern extends string>(
    pattern: Pattern,
    handler: Handler<PathParams<Pattern>>,
    options?: RouteOptions,
  ): this {
    return this.add("POST", pattern, handler, options);
  }

  /** Adds a route for PUT. See {@link Router.add}. */
  put<Pattern extends string>(
    pattern: Pattern,
    handler: Handler<PathParams<Pattern>>,
    options?: RouteOptions,
  ): this {
    return this.add("PUT", pattern, handler, options);
  }

  /** Adds a route for DELETE. See {@link Router.add}. */
  delete<Pattern extends string>(
    pattern: Pattern,
    handler: Handler<PathParams<Pattern>>,
    options?: RouteOptions,
  ): this {
    return this.add("DELETE", pattern, handler, options);
  }

  /** Adds a route for PATCH. See {@link Router.add}. */
  patch<Pattern extends string>(
    pattern: Pattern,
    handler: Handler<PathParams<Pattern>>,
    options?: RouteOptions,
  ): this {
    return this.add("PATCH", pattern, handler, options);
  }

  /** Adds a route for OPTIONS, in place of the automatic answer. See {@link Router.add}. */
  options<Pattern extends string>(
    pattern: Pattern,
    handler: Handler<PathParams<Pattern>>,
    options?: RouteOptions,
  ): this {
    return this.add("OPTIONS", pattern, handler, options);
  }

  /** Adds a route for every method, those too that nobody thought of. See {@link Router.add}. */
  all<Pattern extends string>(
    pattern: Pattern,
    handler: Handler<PathParams<Pattern>>,
    options?: RouteOptions,
  ): this {
    return this.add(EVERY_METHOD, pattern, handler, options);
  }

  /**
   * Adds a middleware around whatever answers: routes added before or after it, and the answers of the router
   * itself. The one added first is the outermost.
   *
   * @param pattern for which paths; without it, for all
   * @throws CartoucheError `ERR_PATTERN` if the pattern cannot work
   */
  use(pattern: string, middleware: Middleware): this;
  use(middleware: Middleware): this;
  use(first: string | Middleware, second?: Middleware): this {
    const middleware = typeof first === "function" ? first : second;
    checkFunction("middleware", middleware);
    this.#middleware.add(typeof first === "function" ? undefined : first, middleware);
    return this;
  }

  /**
   * Adds a route for WebSockets: a GET with a handshake becomes a connection, whose events go to `handlers`; any
   * other GET gets 426 or 400.
   *
   * @param handlers the events; every thread has them, and any thread runs them
   * @param options how connections behave; a function makes them from the request, or returns a response instead
   */
  websocket<Pattern extends string, Data = unknown>(
    pattern: Pattern,
    handlers: WebSocketHandlers<Data>,
    options: WebSocketOptions<Data> | WebSocketAdmission<Data> = {},
  ): this {
    const key = registerSocketHandlers(pattern, handlers as WebSocketHandlers);
    const admit = (request: ServerRequest, chosen: WebSocketOptions<Data> | Response): HandlerResult => {
      if (chosen instanceof Response) return chosen;
      upgradeWith(request, chosen as WebSocketOptions, key);
    };
    const handler = (request: ServerRequest): Result => {
      const chosen = typeof options === "function" ? options(request) : options;
      return chosen instanceof Promise ? chosen.then((made) => admit(request, made)) : admit(request, chosen);
    };
    return this.add("GET", pattern, handler as unknown as Handler<PathParams<Pattern>>);
  }

  /**
   * Hands every request for `prefix` and for all below it to another app, at this place in the order of
   * addition.
   *
   * A {@link Router} sees the rest of the path ("/" if nothing is left), so its patterns do not repeat the
   * prefix; its own middleware, error handler and 404 apply. Any other app sees the request as it is: give it
   * the same base path. Its `routeOptions` hold there, if it has some.
   *
   * @param prefix one or more segments of text, without wildcards, names and a "/" at the end
   * @throws CartoucheError `ERR_PATTERN` if the prefix is no such thing, `ERR_OPTION` if the app has no
   *   `fetch`, bad `routeOptions`, or contains this router
   */
  mount(prefix: string, app: FetchApp): this {
    const pattern = parsePattern(prefix);
    if (!pattern.isLiteral || prefix.endsWith("/")) {
      throw new CartoucheError(
        "ERR_PATTERN",
        `Cannot mount at "${prefix}": a prefix is text without wildcards and names, and does not end in "/"`,
      );
    }
    checkFunction("fetch of the app", app?.fetch);
    let mounted: MountedRouter | undefined;
    if (app instanceof Router) {
      if (app.#contains(this)) {
        throw new CartoucheError(
          "ERR_OPTION",
          `Cannot mount at "${prefix}": a router cannot be below itself`,
        );
      }
      mounted = { prefix: pattern, router: app };
    }
    const handler: Handler = (request) => app.fetch(request as ServerRequest & Request) as Result;
    const options = app.routeOptions === undefined ? NO_OPTIONS : checkRouteOptions(app.routeOptions);
    const target = { handler, options, mounted };
    this.#add(EVERY_METHOD, parsePattern(`${prefix}/**`), target);
    // An earlier route of every method may have taken the bare prefix; what is below is still worth mounting.
    this.#table.add(EVERY_METHOD, pattern, target);
    return this;
  }

  #contains(router: Router): boolean {
    return router === this ||
      this.#table.routes.some(({ value }) =>
        value.mounted !== undefined && value.mounted.router.#contains(router)
      );
  }

  /** Answers when no route fits the path. Default: 404 with a short page. */
  notFound(handler: Handler): this {
    checkFunction("notFound handler", handler);
    this.#notFound = handler;
    return this;
  }

  /** Answers when routes fit the path, but none the method. Default: 405 with `Allow` and a short page. */
  methodNotAllowed(handler: MethodNotAllowedHandler): this {
    checkFunction("methodNotAllowed handler", handler);
    this.#methodNotAllowed = handler;
    return this;
  }

  /** Answers when the percent-encoding of the path is malformed. Default: 400 with a short page. */
  badRequest(handler: Handler): this {
    checkFunction("badRequest handler", handler);
    this.#badRequest = handler;
    return this;
  }

  /**
   * Answers for what a handler or a middleware throws, synchronously or later. Without it the error goes on
   * to the server, which answers 500 and logs it. An error of the error handler itself goes on to the server,
   * too.
   */
  onError(handler: ErrorHandler): this {
    checkFunction("error handler", handler);
    this.#onError = handler;
    return this;
  }

  /** All routes in the order of addition, as plain data; the server reads their options. */
  routes(): RouteRecord[] {
    return this.#table.routes.flatMap(({ method, pattern, value }): RouteRecord[] => {
      const record = { method, pattern: pattern.source, options: value.options };
      if (value.mounted === undefined) return [record];
      const { prefix, router } = value.mounted;
      const { bare, behind } = routesBelow(prefix, router.routes());
      // The record itself comes last: what the mounted router does not answer is not left to later routes.
      return [...(pattern === prefix ? bare : behind), record];
    });
  }

  /** Answers a request for `path`, which is the rest of its path if this router is mounted. */
  #serve(request: ServerRequest, path: string): Result {
    const onError = this.#onError;
    if (onError === undefined) return this.#route(request, path);
    let result: Result;
    try {
      result = this.#route(request, path);
    } catch (error) {
      return onError(error, request);
    }
    return isPromise(result) ? result.then(undefined, (error: unknown) => onError(error, request)) : result;
  }

  #route(request: ServerRequest, path: string): Result {
    const route = this.#table.find(request.method, path);
    let answer: Handler;
    if (typeof route === "string") {
      request.params = NO_PARAMS;
      answer = this.#answerWithout(route, request.method, path);
    } else {
      request.params = this.#table.params(route);
      answer = this.#answerOf(route.value, path);
    }
    return this.#middleware.run(path, request, answer);
  }

  #answerWithout(reason: NoRoute, method: string, path: string): Handler {
    if (reason === "malformed") return this.#badRequest;
    if (method === "OPTIONS" && path === "*") return () => optionsAnswer(this.#allMethods());
    const methods = this.#table.methodsFor(path);
    if (methods.length === 0) return this.#notFound;
    if (method === "OPTIONS") return () => optionsAnswer(methods);
    const handler = this.#methodNotAllowed;
    return (request) => handler(request, allowValue(methods));
  }

  #allMethods(): string[] {
    return this.#table.routes.flatMap(({ method, value }) => {
      if (value.mounted !== undefined) return value.mounted.router.#allMethods();
      return method === EVERY_METHOD ? COMMON_METHODS : [method];
    });
  }

  /**
   * The handler of a route. A mounted router costs a closure and a cut string, which other routes do not pay
   * for.
   */
  #answerOf({ handler, mounted }: Target, path: string): Handler {
    if (mounted === undefined) return handler;
    const rest = pathBelow(mounted.prefix, path);
    return (request) => mounted.router.#serve(request, rest);
  }
}

function checkMethod(method: string): void {
  if (typeof method !== "string" || !TOKEN.test(method)) {
    throw new CartoucheError("ERR_OPTION", `Cannot add the route: "${String(method)}" is no method`);
  }
  const upper = method.toUpperCase();
  if (method !== upper && COMMON_METHODS.includes(upper)) {
    throw new CartoucheError(
      "ERR_OPTION",
      `Cannot add the route: methods are case-sensitive; "${method}" is never sent, write "${upper}"`,
    );
  }
}

function checkFunction(what: string, value: unknown): asserts value is (...args: never[]) => unknown {
  if (typeof value === "function") return;
  throw new CartoucheError(
    "ERR_OPTION",
    `Cannot change the router: the ${what} must be a function, got ${typeof value}`,
  );
}

function isPromise(result: Result): result is Promise<HandlerResult> {
  return typeof (result as { then?: unknown } | undefined)?.then === "function";
}
