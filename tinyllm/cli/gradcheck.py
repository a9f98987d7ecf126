"""tinyllm gradcheck [OP...]: every op and every model against central differences, as a table."""
from tinyllm.cli.arguments import add_json, number, print_json


def add_arguments(parser):
    parser.add_argument("ops", nargs="*", metavar="OP", help="an op or a model, as the table names it; none: all")
    parser.add_argument("--seed", type=number(int, least=0), default=0, help="of the numbers that are checked")
    add_json(parser)


def check(case, seed):
    """One row of the table: the largest error as a part of the gradient's largest entry, and whether it passes."""
    import numpy as np

    from tinyllm import gradcheck
    rng = np.random.default_rng(seed)
    f, arrays, parameters = case.build(rng)
    try:
        error, why = gradcheck(f, *arrays, parameters=parameters, rng=rng), None
    except AssertionError as failure:
        error, why = None, str(failure).strip()
    return {"case": case.name, "error": error, "passes": why is None, "why": why}


def run(args):
    from tinyllm.cases import CASES
    known = list(dict.fromkeys(case.op for case in CASES))
    if unknown := [op for op in args.ops if op not in known]:
        args.usage(f"OP must be among {', '.join(known)}, got {', '.join(unknown)}")
    rows = []
    if not args.json:
        print(f"{'op':<62} largest error, backward against central differences")
    for case in CASES:
        if args.ops and case.op not in args.ops:
            continue
        row = check(case, args.seed)
        rows.append(row)
        if not args.json:
            verdict = f"{row['error']:.1e}" if row["passes"] else f"WRONG\n{row['why']}"
            print(f"{row['case']:<62} {verdict}", flush=True)
    failed = [row["case"] for row in rows if not row["passes"]]
    if args.json:
        print_json({"passed": len(rows) - len(failed), "failed": failed, "cases": rows})
    else:
        print(f"{len(rows) - len(failed)} of {len(rows)} pass" + (f"; wrong: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0
